//! The progress and the results of a load, for the user.

use std::time::Duration;

use pulso_shared::shutdown::Shutdown;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::load::{LoadError, LoadRun, Tally};
use crate::rates::per_second;
use crate::screen::Screen;

/// Shows a load's progress until it ends; ends it early on a signal.
pub async fn follow(mut run: LoadRun, screen: &Screen, shutdown: &mut Shutdown) -> Result<Tally, LoadError> {
    let mut ticks = interval(screen.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut earlier = (Instant::now(), Tally::default());
    loop {
        tokio::select! {
            ended = run.wait() => {
                ended?;
                return Ok(run.tally());
            }
            _ = ticks.tick() => {
                let now = (Instant::now(), run.tally());
                screen.live(&line(&earlier.1, &now.1, now.0 - earlier.0));
                earlier = now;
            }
            () = shutdown.requested(), if !run.is_stopped() => run.stop(),
        }
    }
}

/// What happened in the newest interval.
fn line(earlier: &Tally, now: &Tally, passed: Duration) -> String {
    let mut newest = now.latency_us.clone();
    // Counts only grow, so the earlier ones can be subtracted.
    let _ = newest.subtract(&earlier.latency_us);
    let answered: u64 = now.statuses.values().sum::<u64>().saturating_sub(earlier.statuses.values().sum());
    let ms = |quantile| Duration::from_micros(newest.value_at_quantile(quantile)).as_secs_f64() * 1_000.0;
    format!(
        "{:.0} requests/s, {:.0} accepted/s, {} accepted, {} retried, {} refused, p50 {:.1} ms, p99 {:.1} ms",
        per_second(answered, passed),
        per_second(now.accepted.saturating_sub(earlier.accepted), passed),
        now.accepted,
        now.retried,
        now.refused,
        ms(0.5),
        ms(0.99),
    )
}

/// The results.
pub fn summary(tally: &Tally, duration: Duration) -> Vec<String> {
    let statuses: Vec<_> = tally.statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    let mut lines = vec![
        format!("accepted    {} ({:.0}/s)", tally.accepted, per_second(tally.accepted_in_time, duration)),
        format!("answers     {}", statuses.join(", ")),
        format!("retried     {}", tally.retried),
        format!("given up    {} without an answer, {} not accepted", tally.unanswered, tally.not_accepted),
        format!(
            "latency     p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms (of the 2xx)",
            tally.latency_ms(0.5),
            tally.latency_ms(0.9),
            tally.latency_ms(0.99),
            tally.latency_ms(1.0)
        ),
    ];
    lines.extend(
        tally.first_refusal.iter().map(|refusal| format!("refused     {}, the first: {refusal}", tally.refused)),
    );
    lines.extend(tally.last_failure.iter().map(|failure| format!("no answer   the last time: {failure}")));
    lines
}

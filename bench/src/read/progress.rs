//! Progress, and the time left.

use std::time::Duration;

use tokio::time::Instant;

/// The progress of a long step.
pub struct Progress {
    started: Instant,
    /// The share that was done at the start.
    from: f64,
}

/// A part of a whole.
pub fn share(part: u64, whole: u64) -> f64 {
    Duration::from_secs(part).as_secs_f64() / Duration::from_secs(whole.max(1)).as_secs_f64()
}

impl Progress {
    /// Starts now, with a share of the whole done already.
    pub fn start(from: f64) -> Self {
        Self { started: Instant::now(), from }
    }

    /// A count a second, since the start.
    pub fn per_s(&self, count: u64) -> f64 {
        Duration::from_secs(count).as_secs_f64() / self.started.elapsed().as_secs_f64().max(0.001)
    }

    /// The share that is done, and the time left.
    pub fn describe(&self, share: f64) -> String {
        let percent = 100.0 * share;
        match time_left(self.started.elapsed(), self.from, share) {
            Some(left) => {
                format!("{percent:.0} %, about {} min {:02} s left", left.as_secs() / 60, left.as_secs() % 60)
            }
            None => format!("{percent:.0} %"),
        }
    }
}

/// The time left at the rate so far; `None` while there is no rate yet.
fn time_left(elapsed: Duration, from: f64, share: f64) -> Option<Duration> {
    let done = share - from;
    (done > 0.0).then(|| Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - share).max(0.0) / done).ok())?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::time_left;

    #[test]
    fn the_rest_takes_as_long_as_what_was_done() {
        let minute = Duration::from_secs(60);
        assert_eq!(time_left(minute, 0.0, 0.5), Some(minute));
        assert_eq!(time_left(minute, 0.5, 0.75), Some(minute));
        assert_eq!([time_left(minute, 0.0, 0.0), time_left(minute, 0.5, 0.4)], [None, None]);
    }
}

//! How far something is, and how long it will still take.

use std::time::Duration;

use tokio::time::Instant;

/// Something that takes a while.
pub struct Progress {
    began: Instant,
    /// The share that was done when it was first looked at.
    from: f64,
}

/// A part of a whole.
pub fn share(part: u64, whole: u64) -> f64 {
    Duration::from_secs(part).as_secs_f64() / Duration::from_secs(whole.max(1)).as_secs_f64()
}

impl Progress {
    /// Begins now, with a share of the whole done already.
    pub fn begin(from: f64) -> Self {
        Self { began: Instant::now(), from }
    }

    /// A count a second, since the beginning.
    pub fn per_s(&self, count: u64) -> f64 {
        Duration::from_secs(count).as_secs_f64() / self.began.elapsed().as_secs_f64().max(0.001)
    }

    /// Tells the share that is done, and when the rest will be.
    pub fn tell(&self, share: f64) -> String {
        let percent = 100.0 * share;
        match rest(self.began.elapsed(), self.from, share) {
            Some(rest) => {
                format!("{percent:.0} %, about {} min {:02} s left", rest.as_secs() / 60, rest.as_secs() % 60)
            }
            None => format!("{percent:.0} %"),
        }
    }
}

/// What is left, at the pace so far; `None` while there is none yet.
fn rest(elapsed: Duration, from: f64, share: f64) -> Option<Duration> {
    let done = share - from;
    (done > 0.0).then(|| Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - share).max(0.0) / done).ok())?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::rest;

    #[test]
    fn the_rest_takes_as_long_as_what_was_seen_done() {
        let minute = Duration::from_secs(60);
        assert_eq!(rest(minute, 0.0, 0.5), Some(minute));
        assert_eq!(rest(minute, 0.5, 0.75), Some(minute));
        assert_eq!([rest(minute, 0.0, 0.0), rest(minute, 0.5, 0.4)], [None, None]);
    }
}

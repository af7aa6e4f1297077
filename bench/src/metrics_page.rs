//! The metrics that the API and the worker publish at `/metrics`.

use std::time::Duration;

use pulso_testkit::{Client, Failure};

const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for the metrics of the program at `url`.
pub fn client(url: String) -> Result<Client, Failure> {
    Client::with_timeout(url, TIMEOUT)
}

/// A `/metrics` page.
#[derive(Debug, Clone, Default)]
pub struct MetricsPage(String);

impl MetricsPage {
    /// Fetches the page.
    pub async fn of(client: &Client) -> Result<Self, Failure> {
        Ok(Self(client.try_get("/metrics").await?.success()?.text))
    }

    /// The sum of all samples called `name`, whatever their labels; 0 when there is none yet.
    pub fn value(&self, name: &str) -> f64 {
        self.0.lines().filter_map(|line| sample(line, name)).sum()
    }
}

fn sample(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    rest.starts_with([' ', '{']).then(|| rest.rsplit_once(' ')?.1.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::MetricsPage;

    #[test]
    fn samples_are_summed_over_their_labels() {
        let page = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3.5\nab 100\nc 7\n";
        let page = MetricsPage(page.to_owned());
        assert_eq!((page.value("a"), page.value("c"), page.value("d")), (5.5, 7.0, 0.0));
    }
}

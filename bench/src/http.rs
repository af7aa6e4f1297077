//! Small questions to the API and the worker: ready? and what do the counters say?

use std::time::Duration;

use reqwest::Client;

use crate::Failure;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A client that gives up soon.
pub fn client() -> Result<Client, Failure> {
    Ok(Client::builder().timeout(TIMEOUT).build()?)
}

/// Whether `url` answers with a 2xx.
pub async fn is_ok(client: &Client, url: &str) -> bool {
    client.get(url).send().await.is_ok_and(|response| response.status().is_success())
}

/// What a `/metrics` page said.
#[derive(Debug, Clone, Default)]
pub struct Scrape(String);

impl Scrape {
    /// Reads the page at `url`.
    pub async fn of(client: &Client, url: &str) -> Result<Self, Failure> {
        Ok(Self(client.get(url).send().await?.error_for_status()?.text().await?))
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
    use super::Scrape;

    #[test]
    fn samples_are_summed_over_their_labels() {
        let page = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3.5\nab 100\nc 7\n";
        let scrape = Scrape(page.to_owned());
        assert_eq!((scrape.value("a"), scrape.value("c"), scrape.value("d")), (5.5, 7.0, 0.0));
    }
}

//! The queries, at the API, one after the other.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use pulso_simulator::account::Account;
use pulso_simulator::screen::Screen;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::config::ReadConfig;
use super::dataset::{DAYS, Dataset};
use super::site::sign_in;
use crate::Failure;

/// Asked before anything is counted: connections, plans and the database's memory are then warm.
const WARM_UP: u32 = 10;
/// A slower answer is a failure.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Who asks.
pub struct People {
    owner: Account,
    fleet: Account,
    http: Client,
    url: String,
}

/// How people ask, by what the API may still remember of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Either way: it remembers nothing of it.
    Any,
    /// The same chart again and again: the answer may still be there.
    Refreshed,
    /// Another day each time, and more of them than are remembered: each answer is made anew.
    Anew,
}

/// A question, and how fast the answer has to be.
#[derive(Debug, Clone)]
pub struct Question {
    /// What it is called.
    pub name: &'static str,
    /// What the issue asks for, ms.
    pub target_ms: f64,
    /// Whether the owner of the large fleet asks.
    by_fleet: bool,
    /// Asked in turn.
    paths: Vec<String>,
    /// Whose question it is.
    habit: Habit,
    /// How many elements make it the question that was meant; fewer, where the data is too thin.
    elements: usize,
}

/// How fast a question was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// What it is called.
    pub name: &'static str,
    /// What the median should be at most, ms.
    pub target_ms: f64,
    /// The median, ms.
    pub median_ms: f64,
    /// Of 100 answers the second slowest, ms.
    pub p99_ms: f64,
    /// The answer's elements, where it is an array.
    pub elements: usize,
    /// How many it should have.
    pub wanted_elements: usize,
    /// The answer's size.
    pub bytes: usize,
    /// Why there is no number, where there is none.
    pub failure: Option<String>,
}

impl People {
    /// Signs both in.
    pub async fn sign_in(url: &str) -> Result<Self, Failure> {
        // Uncompressed: compressing is the choice of who is far away, and costs more than most of these answers.
        let http = Client::builder().timeout(TIMEOUT).tcp_nodelay(true).no_gzip().build()?;
        Ok(Self { owner: sign_in(url, "owner").await?, fleet: sign_in(url, "fleet").await?, http, url: url.to_owned() })
    }

    /// Asks once; the answer's status and body.
    pub async fn ask(&self, question: &Question, turn: usize) -> Result<(StatusCode, Vec<u8>), Failure> {
        let account = if question.by_fleet { &self.fleet } else { &self.owner };
        let path = question.paths.get(turn % question.paths.len().max(1)).ok_or("a question without words")?;
        let address = format!("{}/api/v1{path}", self.url);
        let response = self.http.get(address).bearer_auth(account.token()).send().await?;
        Ok((response.status(), response.bytes().await?.to_vec()))
    }
}

/// The questions of people with such a habit.
pub fn of_habit(questions: &[Question], habit: Habit) -> Vec<Question> {
    questions.iter().filter(|question| [habit, Habit::Any].contains(&question.habit)).cloned().collect()
}

/// All questions.
pub fn questions(data: &Dataset) -> Result<Vec<Question>, Failure> {
    let day = data.last_day;
    let first = day.checked_sub_days(Days::new(DAYS - 1)).ok_or("no first day")?;
    let device = data.device;
    let of_owner =
        |name, target_ms, elements, paths, habit| Question { name, target_ms, by_fleet: false, paths, habit, elements };
    let owned = |name, target_ms, elements, path| of_owner(name, target_ms, elements, vec![path], Habit::Any);
    let fleet = |name, target_ms, elements, path: &str| Question {
        name,
        target_ms,
        by_fleet: true,
        paths: vec![path.to_owned()],
        habit: Habit::Any,
        elements,
    };
    let all_of = |day: NaiveDate| {
        format!("/data?start_time={day}T00:00:00Z&end_time={day}T23:59:59.999999Z&aggregation=hour&group_by=server")
    };
    let days = first.iter_days().take_while(|other| *other <= day).map(all_of).collect();
    let span = |from: NaiveDate| format!("start={from}T00:00:00Z&end={day}T23:59:59.999999Z");
    Ok(vec![
        owned(
            "one device, one day, by hour",
            3.0,
            24,
            format!("/devices/{device}/heartbeats?{}&aggregation=hour", span(day)),
        ),
        owned(
            "one device, 30 days, auto",
            10.0,
            720,
            format!("/devices/{device}/heartbeats?{}&aggregation=auto", span(first)),
        ),
        of_owner("all devices, another day each, by hour", 60.0, 24_000, days, Habit::Anew),
        of_owner("the same day again", 60.0, 24_000, vec![all_of(day)], Habit::Refreshed),
        fleet("/health/all of 10,000 devices", 30.0, 10_000, "/health/all"),
        fleet("/devices, a page of 100 with latest", 5.0, 100, "/devices?limit=100"),
        fleet("/devices?q=, one of 10,000", 5.0, 1, "/devices?q=device%209876"),
        fleet("/devices?q=, a page of 100 of 10,000", 5.0, 100, "/devices?limit=100&q=DEVICE%2098"),
    ])
}

/// Asks every question many times.
pub async fn measure(
    people: &People,
    data: &Dataset,
    config: &ReadConfig,
    screen: &Screen,
) -> Result<Vec<Asked>, Failure> {
    let mut all = Vec::new();
    for question in questions(data)? {
        screen.live(&format!("asking: {}", question.name));
        all.push(measure_one(people, question, config.repeat).await?);
    }
    Ok(all)
}

async fn measure_one(people: &People, question: Question, repeat: u32) -> Result<Asked, Failure> {
    let Question { name, target_ms, elements: wanted_elements, .. } = question;
    let (mut times, mut last) = (Vec::new(), Vec::new());
    for (turn, round) in (0..repeat.saturating_add(WARM_UP)).enumerate() {
        let asked_at = Instant::now();
        let (status, body) = people.ask(&question, turn).await?;
        if status != StatusCode::OK {
            let failure = Some(format!("answered {status}"));
            return Ok(Asked {
                name,
                target_ms,
                median_ms: 0.0,
                p99_ms: 0.0,
                elements: 0,
                wanted_elements,
                bytes: 0,
                failure,
            });
        }
        if round >= WARM_UP {
            times.push(asked_at.elapsed().as_secs_f64() * 1_000.0);
        }
        last = body;
    }
    times.sort_by(f64::total_cmp);
    let elements = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&last).map_or(0, |elements| elements.len());
    let (median_ms, p99_ms) = (quantile(&times, 50), quantile(&times, 99));
    Ok(Asked { name, target_ms, median_ms, p99_ms, elements, wanted_elements, bytes: last.len(), failure: None })
}

/// The value below which `percent` of the sorted ones are.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let place = sorted.len().saturating_mul(percent) / 100;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_of_few_and_many() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 99)), (51.0, 100.0));
        assert_eq!((quantile(&[7.0], 99), quantile(&[], 50)), (7.0, 0.0));
    }
}

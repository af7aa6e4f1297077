//! Aggregated answers are those of the raw rows, at every moment.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pulso_testkit::{Client, Device, Process, Pulso, eventually};
use serde_json::{Value, json};

/// Around the night in which New York turned its clocks back.
const OLD: &str = "2024-11-02T18:00:00Z";
/// All of what happens there, seconds behind it.
const OLD_RANGE: (i64, i64) = (0, 180_000);
const ZONES: [&str; 5] = ["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo"];
const STEPS: [&str; 3] = ["minute", "hour", "day"];
const STATS: [&str; 5] = ["avg", "min", "max", "count", "p95"];
const DEVICES: usize = 3;
/// Runs of the property: each has a Pulso of its own.
const CASES: u32 = 2;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// Rows arrive: late, twice, in any order. Quarters, so that a sum is the same in whatever order it is made.
    Send { device: usize, heartbeats: bool, rows: Vec<(Moment, i32)> },
    /// A worker is killed and started again.
    Kill,
    /// Somebody asks.
    Ask(Question),
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Seconds behind [`OLD`].
    Old(i64),
    /// Seconds ago: in the open hour, or in one that closes now.
    Recent(i64),
}

#[derive(Debug, Clone)]
struct Question {
    device: usize,
    heartbeats: bool,
    step: &'static str,
    stat: &'static str,
    zone: &'static str,
    /// Seconds behind [`OLD`].
    range: Option<(i64, i64)>,
}

fn event() -> impl Strategy<Value = Event> {
    let moment = prop_oneof![
        // Few seconds, so that many rows come twice.
        6 => (0..48_i64, 0..3_i64, 0..4_i64).prop_map(|(hour, minute, s)| Moment::Old(hour * 3_600 + minute * 1_300 + s * 15)),
        1 => (0..7_200_i64).prop_map(Moment::Recent),
    ];
    let rows = prop::collection::vec((moment, -100..400_i32), 1..60);
    prop_oneof![
        8 => (0..DEVICES, any::<bool>(), rows).prop_map(|(device, heartbeats, rows)| Event::Send { device, heartbeats, rows }),
        1 => Just(Event::Kill),
        6 => question().prop_map(Event::Ask),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let choose = |texts: &'static [&'static str]| prop::sample::select(texts);
    let range = prop::option::of((0..100_000_i64, 1..80_000_i64));
    (0..DEVICES, any::<bool>(), choose(&STEPS), choose(&STATS), choose(&ZONES), range).prop_map(
        |(device, heartbeats, step, stat, zone, range)| Question { device, heartbeats, step, stat, zone, range },
    )
}

#[test]
fn every_aggregated_answer_is_that_of_the_raw_rows_at_every_moment() {
    let config = Config { cases: CASES, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let events = prop::collection::vec(event(), 30..60);
    TestRunner::new(config)
        .run(&events, |events| {
            runtime.block_on(play(events));
            Ok(())
        })
        .unwrap();
}

/// A Pulso with three workers and some devices of one owner.
struct Stage {
    pulso: Pulso,
    others: Vec<Process>,
    user: Client,
    devices: Vec<Device>,
    started: DateTime<Utc>,
}

async fn play(events: Vec<Event>) {
    let pulso = Pulso::start().await;
    let others = vec![pulso.start_another_worker().await, pulso.start_another_worker().await];
    let user = pulso.client.new_user().await;
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(user.new_device().await);
    }
    let mut stage = Stage { pulso, others, user, devices, started: pulso_shared::clock::Clock::system().now() };
    for event in events {
        match event {
            Event::Send { device, heartbeats, rows } => stage.send(device, heartbeats, &rows).await,
            Event::Kill => stage.kill_a_worker().await,
            Event::Ask(question) => stage.check(&question).await,
        }
    }
    eventually("all is stored", async || (stage.pulso.broker.depth("store").await == 0).then_some(())).await;
    stage.check_everything().await;
    let dirty = "SELECT count(*) FROM dirty_buckets WHERE hour < (SELECT min(rolled_until) FROM rollup_watermarks)";
    eventually("no bucket is dirty", async || (stage.pulso.database.count(dirty).await == 0).then_some(())).await;
    stage.check_everything().await;
    for mut worker in stage.others {
        worker.terminate().await;
    }
    stage.pulso.finish().await;
}

impl Stage {
    async fn send(&self, device: usize, heartbeats: bool, rows: &[(Moment, i32)]) {
        let field = if heartbeats { "latency" } else { "voltage" };
        let body: Vec<_> = rows
            .iter()
            .map(|(moment, quarters)| {
                let timestamp = match moment {
                    Moment::Old(seconds) => old() + TimeDelta::seconds(*seconds),
                    Moment::Recent(seconds) => self.started - TimeDelta::seconds(*seconds),
                };
                let value = f64::from(*quarters) / 4.0;
                let value = if heartbeats { value.abs() } else { value };
                if quarters % 3 == 0 {
                    json!({"timestamp": timestamp, "temperature": value, field: value + 1.0})
                } else {
                    json!({"timestamp": timestamp, field: value})
                }
            })
            .collect();
        let path = if heartbeats { "/heartbeats" } else { "/readings" };
        let _ = self.devices[device].client.post(path, &json!(body)).await.expect(202);
    }

    /// Whichever of them computes rollups is among those that are killed.
    async fn kill_a_worker(&mut self) {
        let mut killed = self.others.remove(0);
        killed.kill().await;
        self.others.push(self.pulso.worker.take().unwrap());
        self.pulso.restart_worker().await;
    }

    async fn check_everything(&self) {
        let steps_and_zones = STEPS.iter().flat_map(|step| ZONES.map(|zone| (*step, zone)));
        for ((number, stat), (step, zone)) in (0..).zip(STATS).cycle().zip(steps_and_zones) {
            for heartbeats in [true, false] {
                let question = Question { device: number % DEVICES, heartbeats, step, stat, zone, range: None };
                self.check(&question).await;
            }
        }
    }

    /// Compares an answer with a plain query over the raw rows. Rows and values are only ever added: where there are as many
    /// before as after, they are the same.
    async fn check(&self, question: &Question) {
        // Readings are asked for in either case.
        let count = "SELECT (SELECT count(*) + count(temperature) + count(latency) FROM heartbeats)
            + (SELECT count(*) + count(temperature) + count(voltage) FROM readings)";
        eventually("a moment without new rows", async || {
            let before = self.pulso.database.count(count).await;
            // Asked again and again while late rows come: the answer that is kept has to notice each of them.
            let again = Question { range: Some(OLD_RANGE), ..question.clone() };
            let answers = [self.ask_device(question).await, self.ask_data(question).await, self.ask_data(&again).await];
            let plain =
                [self.plain_device(question).await, self.plain_data(question).await, self.plain_data(&again).await];
            let unchanged = before == self.pulso.database.count(count).await;
            if unchanged {
                assert_eq!(answers, plain, "{question:?}");
            }
            unchanged.then_some(())
        })
        .await;
    }

    async fn ask_device(&self, question: &Question) -> BTreeSet<String> {
        let Question { step, stat, zone, .. } = question;
        let table = if question.heartbeats { "heartbeats" } else { "readings" };
        let range = range_of(question).map_or_else(String::new, |(from, to)| format!("&start={from}&end={to}"));
        let id = &self.devices[question.device].id;
        let path = format!("/devices/{id}/{table}?aggregation={step}&stat={stat}&tz={zone}{range}");
        points(&self.user.get(&path).await.expect(200).body)
    }

    /// The means of all devices, each for itself or together; readings and UTC only.
    async fn ask_data(&self, question: &Question) -> BTreeSet<String> {
        let range =
            range_of(question).map_or_else(String::new, |(from, to)| format!("&start_time={from}&end_time={to}"));
        let group = if question.device == 0 { "" } else { "&group_by=server" };
        let path = format!("/data?aggregation={}{group}{range}", question.step);
        points(&self.user.get(&path).await.expect(200).body)
    }

    async fn plain_device(&self, question: &Question) -> BTreeSet<String> {
        let Question { step, stat, zone, .. } = question;
        let (table, field) = if question.heartbeats { ("heartbeats", "latency") } else { ("readings", "voltage") };
        let of = |column: &str| match *stat {
            "p95" => format!("percentile_cont(0.95) WITHIN GROUP (ORDER BY {column})"),
            // Zero is a value, but no count.
            stat => {
                format!("nullif({stat}({column})::double precision, {})", if stat == "count" { "0" } else { "'nan'" })
            }
        };
        let sql = format!(
            "SELECT date_trunc('{step}', ts, '{zone}'), NULL::text, {}, {} FROM {table}
             JOIN devices ON devices.id = device_id WHERE devices.id = $1::text::uuid AND {} GROUP BY 1",
            of("temperature"),
            of(field),
            within(question)
        );
        let device = self.user.get(&format!("/devices/{}", self.devices[question.device].id)).await.expect(200);
        self.plain(&sql, &[&device.body["uuid"].as_str().unwrap()], field).await
    }

    async fn plain_data(&self, question: &Question) -> BTreeSet<String> {
        let server = if question.device == 0 { "NULL::text" } else { "device_id::text" };
        let sql = format!(
            "SELECT date_trunc('{}', ts, 'UTC'), {server}, avg(temperature), avg(voltage) FROM readings
             WHERE {} GROUP BY 1, 2",
            question.step,
            within(question)
        );
        self.plain(&sql, &[], "voltage").await
    }

    async fn plain(
        &self,
        sql: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
        field: &str,
    ) -> BTreeSet<String> {
        let rows = self.pulso.database.query(sql, parameters).await;
        let points = rows.iter().filter_map(|row| {
            let (at, server): (DateTime<Utc>, Option<String>) = (row.get(0), row.get(1));
            let server = server.map(|id| id.parse::<pulso_shared::ids::DeviceId>().unwrap().to_string());
            let (temperature, other): (Option<f64>, Option<f64>) = (row.get(2), row.get(3));
            let values = [("temperature", temperature), (field, other)];
            values.iter().any(|(_, value)| value.is_some()).then(|| point(at, server.as_deref(), &values))
        });
        points.collect()
    }
}

fn old() -> DateTime<Utc> {
    OLD.parse().unwrap()
}

/// Minutes of years would be too many points.
fn range_of(question: &Question) -> Option<(String, String)> {
    let whole = (question.step == "minute").then_some(OLD_RANGE);
    let text = |seconds: i64| (old() + TimeDelta::seconds(seconds)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    question.range.or(whole).map(|(from, length)| (text(from), text(from + length)))
}

fn within(question: &Question) -> String {
    range_of(question).map_or_else(|| "true".to_owned(), |(from, to)| format!("ts BETWEEN '{from}' AND '{to}'"))
}

/// A point as a text that can be compared, and read.
fn point(at: DateTime<Utc>, server: Option<&str>, values: &[(&str, Option<f64>)]) -> String {
    let values = values.iter().filter_map(|(name, value)| value.map(|value| format!(" {name}={value}")));
    format!("{} {}{}", at.to_rfc3339(), server.unwrap_or("-"), values.collect::<String>())
}

fn points(body: &Value) -> BTreeSet<String> {
    let points = body.as_array().unwrap().iter().map(|element| {
        let at = element["timestamp"].as_str().unwrap().parse().unwrap();
        let values = ["temperature", "latency", "voltage"].map(|name| (name, element[name].as_f64()));
        point(at, element["server_ulid"].as_str(), &values)
    });
    let set: BTreeSet<_> = points.collect();
    assert_eq!(set.len(), body.as_array().unwrap().len(), "an interval has one point: {body}");
    set
}

//! What a device measures: a pure function of the device's seed and the time, so that a fleet looks the same however
//! often it is started, and every signal can be tested.

use std::f64::consts::TAU;
use std::time::Duration;

use super::measures::{DeviceState, Surroundings, Vitals};
use super::noise::{Event, Noise, Period};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The device's network is down; it goes on measuring and sends the backlog later.
const OUTAGE: Event = Event { every: Duration::from_secs(900), probability: 0.08, shortest_s: 30.0, longest_s: 420.0 };
/// The internet is not reachable; Pulso is.
const DIP: Event = Event { every: MINUTE, probability: 0.03, shortest_s: 4.0, longest_s: 15.0 };
/// The network is slow.
const SPIKE: Event = Event { every: Duration::from_secs(30), probability: 0.04, shortest_s: 2.0, longest_s: 6.0 };
/// The device is busy.
const BURST: Event = Event { every: Duration::from_secs(300), probability: 0.15, shortest_s: 20.0, longest_s: 90.0 };

/// One device's parameters.
#[derive(Debug, Clone, Copy)]
pub struct DeviceModel {
    seed: u64,
    /// From one restart to the next.
    uptime: Duration,
    /// Spreads the restarts of different devices.
    phase: Duration,
}

impl DeviceModel {
    /// The device of `seed`.
    pub fn new(seed: u64) -> Self {
        let noise = |signal| Noise::new(seed, signal);
        let uptime = Duration::from_secs_f64(noise("uptime").between(4.0, 12.0) * 3_600.0);
        Self { seed, uptime, phase: uptime.mul_f64(noise("phase").fraction(0)) }
    }

    /// Whether it measures and sends at `at` (since 1970).
    pub fn state(&self, at: Duration) -> DeviceState {
        let restart_s = self.noise("restart").between(15.0, 40.0);
        if self.since_boot_s(at) < restart_s {
            DeviceState::Restarting
        } else if self.noise("outage").event(at, OUTAGE).is_some() {
            DeviceState::Disconnected
        } else {
            DeviceState::Online
        }
    }

    /// What it measures of itself at `at`.
    pub fn vitals(&self, at: Duration) -> Vitals {
        let cpu_usage = self.cpu_usage(at);
        let dip = self.noise("dip").event(at, DIP).is_some();
        Vitals {
            cpu_usage: rounded(cpu_usage.clamp(0.5, 100.0), 100.0),
            ram_usage: rounded(self.ram_usage(at), 100.0),
            disk_free: rounded(self.disk_free(at), 100.0),
            temperature: rounded(self.case_temperature(at, cpu_usage), 10.0),
            latency: rounded(self.latency(at) * if dip { 8.0 } else { 1.0 }, 10.0),
            connectivity: !dip,
            booted_at: at.saturating_sub(Duration::from_secs_f64(self.since_boot_s(at))),
        }
    }

    /// What it measures of the world around it at `at`.
    pub fn surroundings(&self, at: Duration) -> Surroundings {
        let ambient = self.ambient(at);
        let load = self.cpu_usage(at) / 100.0;
        let people = (day_wave(at, 13.0)).max(0.0);
        Surroundings {
            temperature: rounded(ambient, 10.0),
            humidity: rounded(
                (58.0 - 1.6 * (ambient - 22.0) + self.varied("humidity", at, HOUR, 8.0)).clamp(15.0, 98.0),
                10.0,
            ),
            voltage: rounded(229.0 + self.varied("voltage", at, MINUTE, 6.0) - 3.0 * people, 10.0),
            current: rounded(0.4 + 1.8 * load + self.varied("current", at, MINUTE, 0.1), 1_000.0),
            co2: rounded(430.0 + 480.0 * people + self.varied("co2", at, 10 * MINUTE, 90.0), 1.0),
            pm2_5: rounded(
                4.0 + 9.0 * self.noise("dust").smooth(at, 3 * HOUR) + self.varied("pm2.5", at, MINUTE, 2.0),
                10.0,
            ),
            vibration: rounded(0.3 + 2.2 * load + self.varied("vibration", at, Duration::from_secs(5), 0.3), 100.0),
        }
    }

    fn noise(&self, signal: &str) -> Noise {
        Noise::new(self.seed, signal)
    }

    /// Smooth noise between 0 and `height`.
    fn varied(&self, signal: &str, at: Duration, length: Duration, height: f64) -> f64 {
        height * self.noise(signal).smooth(at, length)
    }

    fn since_boot_s(&self, at: Duration) -> f64 {
        Period::at(at.saturating_add(self.phase), self.uptime).offset_s
    }

    /// More by day than by night, with noise, and a burst from time to time.
    fn cpu_usage(&self, at: Duration) -> f64 {
        let idle = self.noise("idle").between(6.0, 24.0);
        let busy = self.noise("busy").between(8.0, 34.0) * day_wave(at, 14.5).max(0.0);
        let burst =
            self.noise("burst").event(at, BURST).map_or(0.0, |(offset_s, length_s)| 45.0 * hump(offset_s, length_s));
        idle + busy
            + burst
            + self.varied("load", at, Duration::from_secs(45), 9.0)
            + self.varied("jitter", at, Duration::from_secs(3), 3.0)
    }

    /// Leaks until the next restart.
    fn ram_usage(&self, at: Duration) -> f64 {
        let leaked = self.noise("leak").between(4.0, 42.0) * self.since_boot_s(at) / self.uptime.as_secs_f64();
        (self.noise("ram").between(24.0, 48.0) + leaked + self.varied("cache", at, MINUTE, 3.0)).clamp(1.0, 99.0)
    }

    /// Drains over days, until space is freed.
    fn disk_free(&self, at: Duration) -> f64 {
        let length = Duration::from_secs_f64(self.noise("disk").between(6.0, 20.0) * DAY.as_secs_f64());
        let shifted = at.saturating_add(length.mul_f64(self.noise("disk phase").fraction(0)));
        let drained = Period::at(shifted, length).offset_s / length.as_secs_f64();
        let (full, empty) = (self.noise("disk full").between(70.0, 93.0), self.noise("disk empty").between(6.0, 30.0));
        full - (full - empty) * drained
    }

    fn ambient(&self, at: Duration) -> f64 {
        let mean = self.noise("climate").between(18.0, 27.0);
        mean + self.noise("sun").between(1.5, 6.0) * day_wave(at, 15.0) + self.varied("air", at, 20 * MINUTE, 1.2)
    }

    /// The air's, and the heat of the load.
    fn case_temperature(&self, at: Duration, cpu_usage: f64) -> f64 {
        self.ambient(at) + self.noise("cooling").between(9.0, 16.0) + 0.28 * cpu_usage
    }

    fn latency(&self, at: Duration) -> f64 {
        let usual = self.noise("distance").between(6.0, 45.0) * (0.8 + self.varied("route", at, 5 * MINUTE, 0.5));
        let spike = self
            .noise("spike")
            .event(at, SPIKE)
            .map_or(0.0, |(offset_s, length_s)| self.noise("height").between(120.0, 700.0) * hump(offset_s, length_s));
        usual + self.varied("queue", at, Duration::from_secs(2), 4.0) + spike
    }
}

/// Between -1 and 1 over the day (UTC); 1 at `peak_hour`.
fn day_wave(at: Duration, peak_hour: f64) -> f64 {
    let hour = Period::at(at, DAY).offset_s / 3_600.0;
    ((hour - peak_hour) / 24.0 * TAU).cos()
}

/// Rises from 0 to 1 and falls again over `length`.
fn hump(offset: f64, length: f64) -> f64 {
    (offset / length * TAU / 2.0).sin()
}

/// Rounded to the resolution of a sensor: so many steps in 1.
fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::measures::DeviceState;
    use super::DeviceModel;

    /// Midnight of 2026-11-21, a day without meaning.
    const START: Duration = Duration::from_secs(1_795_219_200);

    fn at(seconds: u64) -> Duration {
        START + Duration::from_secs(seconds)
    }

    fn fleet() -> impl Iterator<Item = DeviceModel> {
        (0..50).map(DeviceModel::new)
    }

    #[test]
    fn the_same_seed_and_time_give_the_same_signals_and_another_seed_others() {
        let vitals = |seed| DeviceModel::new(seed).vitals(at(12_345));
        assert_eq!(vitals(1), vitals(1));
        assert_ne!(vitals(1), vitals(2));
    }

    #[test]
    fn every_signal_stays_in_the_range_that_the_api_accepts() {
        for device in fleet() {
            for step in 0..500 {
                let at = at(step * 1_777);
                let vitals = device.vitals(at);
                for percent in [vitals.cpu_usage, vitals.ram_usage, vitals.disk_free] {
                    assert!((0.0..=100.0).contains(&percent), "{vitals:?}");
                }
                assert!((0.0..5_000.0).contains(&vitals.latency) && (0.0..90.0).contains(&vitals.temperature));
                assert!(vitals.booted_at <= at && at - vitals.booted_at < Duration::from_secs(12 * 3_600));
                let around = device.surroundings(at);
                assert!((0.0..=100.0).contains(&around.humidity) && (200.0..250.0).contains(&around.voltage));
                assert!(around.current > 0.0 && around.co2 > 300.0 && around.pm2_5 > 0.0 && around.vibration > 0.0);
            }
        }
    }

    #[test]
    fn afternoons_are_busier_and_warmer_than_nights() {
        let mean = |hour: u64, signal: fn(&DeviceModel, Duration) -> f64| -> f64 {
            fleet().map(|device| (0..60).map(|step| signal(&device, at(hour * 3_600 + step * 60))).sum::<f64>()).sum()
        };
        let cpu = |device: &DeviceModel, at| device.vitals(at).cpu_usage;
        let air = |device: &DeviceModel, at| device.surroundings(at).temperature;
        assert!(mean(14, cpu) > 1.4 * mean(2, cpu));
        assert!(mean(14, air) > 1.1 * mean(2, air));
    }

    #[test]
    fn memory_leaks_until_a_restart_changes_the_boot_time() {
        let device = DeviceModel::new(3);
        let booted_at = |second| device.vitals(at(second)).booted_at;
        let restart = (1..86_400).find(|second| booted_at(*second) != booted_at(*second - 1)).unwrap();
        assert!(device.vitals(at(restart + 60)).ram_usage + 3.0 < device.vitals(at(restart - 60)).ram_usage);
        assert_eq!(device.state(at(restart + 1)), DeviceState::Restarting);
    }

    #[test]
    fn disks_drain() {
        let drained = fleet().filter(|device| device.vitals(at(3_600)).disk_free < device.vitals(at(0)).disk_free);
        assert!(drained.count() >= 48);
    }

    #[test]
    fn most_devices_are_online_and_some_drop_off_and_come_back() {
        let counts: Vec<_> = (0..60)
            .map(|minute| fleet().filter(|device| device.state(at(minute * 60)) == DeviceState::Online).count())
            .collect();
        assert!(counts.iter().all(|online| *online >= 40), "{counts:?}");
        assert!(counts.iter().any(|online| *online < 50), "{counts:?}");
        let disconnected =
            fleet().filter(|device| (0..3_600).any(|second| device.state(at(second)) == DeviceState::Disconnected));
        assert!(disconnected.count() >= 5);
    }

    #[test]
    fn the_wider_network_is_gone_now_and_then_and_latency_spikes() {
        let all = || fleet().flat_map(|device| (0..600).map(move |step| device.vitals(at(step * 6))));
        let dips = all().filter(|vitals| !vitals.connectivity).count();
        let spikes = all().filter(|vitals| vitals.connectivity && vitals.latency > 150.0).count();
        assert!((50..1_500).contains(&dips), "{dips}");
        assert!((100..3_000).contains(&spikes), "{spikes}");
    }
}

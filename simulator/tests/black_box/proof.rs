//! The proof finds every way in which what is stored can differ from what was accepted.

use std::path::PathBuf;
use std::time::Duration;

use pulso_shared::ids::DeviceId;
use pulso_simulator::ledger::{FileJournal, Proof, VerifyArgs, prove};
use pulso_simulator::load::{Journal, SentReading};
use pulso_simulator::screen::Screen;
use pulso_testkit::Database;

/// 2026-11-21 12:00:00 UTC.
const START_US: i64 = 1_795_262_400_000_000;

/// The reading `number` of the device, one a second.
fn reading(number: u32) -> SentReading {
    SentReading { timestamp_us: START_US + i64::from(number) * 1_000_000, cpu_hundredths: 5_000 + number }
}

/// A ledger of the device's readings 0 to 5: five were accepted, the last one had no response.
struct Ledger {
    database: Database,
    device: DeviceId,
    file: PathBuf,
}

impl Ledger {
    async fn write() -> Self {
        let (database, device) = (Database::create().await, DeviceId::generate());
        // Without a primary key, so that a row can be there twice.
        let table = "DROP TABLE heartbeats CASCADE;
            CREATE TABLE heartbeats (device_id uuid, ts timestamptz, cpu_usage double precision)";
        database.execute(table).await;
        let file = std::env::temp_dir().join(format!("pulso-ledger-{device}.txt"));
        let journal = FileJournal::open(&file, vec![device]).unwrap();
        let accepted: Vec<_> = (0..5).map(reading).collect();
        journal.accepted(0, &accepted[..2]);
        journal.accepted(0, &accepted[2..]);
        journal.unanswered(0, &[reading(5)]);
        journal.close().unwrap();
        Self { database, device, file }
    }

    /// Stores a reading as it was sent.
    async fn store(&self, number: u32) {
        let SentReading { timestamp_us, cpu_hundredths } = reading(number);
        let sql = format!(
            "INSERT INTO heartbeats VALUES ('{}', to_timestamp({}), {}.{:02})",
            self.device.as_uuid(),
            timestamp_us / 1_000_000,
            cpu_hundredths / 100,
            cpu_hundredths % 100
        );
        self.database.execute(&sql).await;
    }

    async fn store_all_accepted(&self) {
        for number in 0..5 {
            self.store(number).await;
        }
    }

    async fn proof(&self) -> Proof {
        let args = VerifyArgs::new(self.file.clone(), self.database.url.clone().into(), Duration::from_millis(1));
        prove(&args, &Screen::silent()).await.unwrap()
    }

    async fn remove(self) {
        std::fs::remove_file(&self.file).unwrap();
        self.database.drop().await;
    }
}

#[tokio::test]
async fn the_proof_holds_when_exactly_what_was_accepted_is_stored() {
    let ledger = Ledger::write().await;
    ledger.store_all_accepted().await;
    let proof = ledger.proof().await;
    assert_eq!(proof, Proof { accepted: 5, unanswered: 1, ..Proof::default() });
    assert!(proof.holds());
    ledger.store(5).await;
    let proof = ledger.proof().await;
    assert_eq!((proof.unanswered_stored, proof.holds()), (1, true), "what had no response may be stored");
    ledger.remove().await;
}

#[tokio::test]
async fn what_is_lost_doubled_changed_or_never_sent_is_counted() {
    let ledger = Ledger::write().await;
    ledger.store_all_accepted().await;
    let good = ledger.proof().await;
    for (change, expected) in [
        ("DELETE FROM heartbeats WHERE cpu_usage = 50.00", Proof { missing: 1, ..good }),
        ("INSERT INTO heartbeats SELECT * FROM heartbeats WHERE cpu_usage = 50.01", Proof { twice: 1, ..good }),
        ("UPDATE heartbeats SET cpu_usage = 1 WHERE cpu_usage = 50.02", Proof { different: 1, ..good }),
        ("UPDATE heartbeats SET cpu_usage = NULL WHERE cpu_usage = 50.03", Proof { different: 1, ..good }),
        (
            "INSERT INTO heartbeats SELECT device_id, ts + interval '1 ms', 1 FROM heartbeats WHERE cpu_usage = 50.00",
            Proof { unknown: 1, ..good },
        ),
    ] {
        ledger.database.execute(&format!("CREATE TABLE saved AS TABLE heartbeats; {change}")).await;
        let proof = ledger.proof().await;
        assert_eq!((proof, proof.holds()), (expected, false), "{change}");
        ledger.database.execute("TRUNCATE heartbeats; INSERT INTO heartbeats TABLE saved; DROP TABLE saved").await;
    }
    ledger.remove().await;
}

#[tokio::test]
async fn other_devices_and_other_times_are_not_the_ledger_s() {
    let ledger = Ledger::write().await;
    ledger.store_all_accepted().await;
    let (device, another) = (ledger.device.as_uuid(), DeviceId::generate().as_uuid());
    let start = START_US / 1_000_000;
    let rows = format!("('{another}', to_timestamp({start}), 1), ('{device}', to_timestamp({start} - 1), 1)");
    ledger.database.execute(&format!("INSERT INTO heartbeats VALUES {rows}")).await;
    assert!(ledger.proof().await.holds());
    ledger.remove().await;
}

#[tokio::test]
async fn a_torn_line_is_counted_and_the_others_are_read() {
    let ledger = Ledger::write().await;
    ledger.store_all_accepted().await;
    let whole = std::fs::read(&ledger.file).unwrap();
    // The last line is that of the reading without a response.
    std::fs::write(&ledger.file, &whole[..whole.len() - 5]).unwrap();
    let proof = ledger.proof().await;
    assert_eq!(proof, Proof { accepted: 5, torn: 1, ..Proof::default() });
    ledger.remove().await;
}

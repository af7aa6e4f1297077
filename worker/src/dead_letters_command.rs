//! `pulso-worker dead-letters`: looks at what could not be stored, puts it back, throws it away.

use std::io::Write;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Subcommand};
use pulso_shared::amqp::dead_letters::{Choice, Content, DeadLetter, DeadLetterBrowser, Listing};
use pulso_shared::amqp::message::Submission;
use pulso_shared::amqp::topology::Topology;
use pulso_shared::config::BrokerConfig;
use pulso_shared::ids::DeadLetterId;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A replay from the command line may take its time; it ends somewhere all the same.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Why it could not be done; the text is what the user reads.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Settings of `dead-letters`.
#[derive(Debug, Args)]
pub struct DeadLettersConfig {
    /// The broker.
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the oldest dead letters; they stay where they are.
    List {
        /// Most letters to show.
        #[arg(long, default_value = "100")]
        limit: NonZeroUsize,
        /// One JSON object a line, with all that is in it.
        #[arg(long)]
        json: bool,
    },
    /// Put dead letters back into the store queue. What still cannot be stored comes here again, under a new id.
    Replay(Which),
    /// Throw dead letters away, for good.
    Delete(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All that are there now.
    #[arg(long)]
    all: bool,
    /// The ids of the ones that are meant.
    ids: Vec<DeadLetterId>,
}

/// Does it.
///
/// # Errors
/// When the broker is away or refuses, or some of the letters are not there.
pub async fn run(config: DeadLettersConfig) -> Result<(), Failure> {
    let desk = DeadLetterBrowser::open(&config.broker.amqp_url, Topology::new(&config.broker)).await?;
    let done = act(&desk, config.action).await;
    desk.close().await;
    done
}

async fn act(desk: &DeadLetterBrowser, action: Action) -> Result<(), Failure> {
    match action {
        Action::List { limit, json } => show(&desk.list(limit.get()).await?, json),
        Action::Replay(which) => {
            let done = desk.replay(&which.choice(), Instant::now() + REPLAY_TIMEOUT).await?;
            say(&format!("{} replayed", done.replayed))?;
            done.stopped.map_or(Ok(()), |stop| Err(format!("stopped: {stop}")))?;
            all_found(&done.missing)
        }
        Action::Delete(which) => {
            let (deleted, missing) = desk.delete(&which.choice()).await?;
            say(&format!("{deleted} deleted"))?;
            all_found(&missing)
        }
    }
}

impl Which {
    fn choice(self) -> Choice {
        if self.all { Choice::All } else { Choice::Only(self.ids.into_iter().collect()) }
    }
}

fn all_found(missing: &[DeadLetterId]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    Err(format!("there is no such dead letter: {}", missing.join(", ")).into())
}

fn show(listing: &Listing, as_json: bool) -> Result<(), Failure> {
    for letter in &listing.letters {
        say(&if as_json { in_full(letter).to_string() } else { in_short(letter) })?;
    }
    if !as_json {
        say(&format!("{} of {} dead letters", listing.letters.len(), listing.total))?;
    }
    Ok(())
}

fn in_short(letter: &DeadLetter) -> String {
    let DeadLetter { id, reason, detail, bytes, .. } = letter;
    let died_at = letter.died_at.map_or_else(|| "at an unknown time".to_owned(), |time| time.to_rfc3339());
    let held = match &letter.content {
        Content::Submissions(submissions) => {
            format!("{} readings", submissions.iter().map(Submission::len).sum::<usize>())
        }
        Content::Excerpt(text) => format!("{text:?}"),
    };
    format!("{id}  {died_at}  {reason}: {detail}\n    {bytes} bytes: {held}")
}

fn in_full(letter: &DeadLetter) -> Value {
    let DeadLetter { id, reason, detail, died_at, message_type, bytes, content } = letter;
    let (submissions, excerpt) = match content {
        Content::Submissions(submissions) => (Some(submissions), None),
        Content::Excerpt(text) => (None, Some(text)),
    };
    json!({
        "id": id, "reason": reason, "detail": detail, "died_at": died_at, "message_type": message_type,
        "bytes": bytes, "submissions": submissions, "excerpt": excerpt,
    })
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

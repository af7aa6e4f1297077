//! `pulso-worker dead-letters`: lists, replays and deletes dead letters.

use std::io::Write;
use std::time::Duration;

use pulso_shared::amqp::dead_letters::{Choice, Content, DeadLetter, DeadLetterBrowser, Listing};
use pulso_shared::amqp::message::Submission;
use pulso_shared::amqp::topology::Topology;
use pulso_shared::ids::DeadLetterId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::{DeadLetterAction, DeadLetterSelection, DeadLettersConfig};

/// A replay from the command line may take long, but not without end.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(3_600);

/// The text is what the user reads.
type Failure = Box<dyn std::error::Error + Send + Sync>;

pub async fn run(config: DeadLettersConfig) -> Result<(), Failure> {
    let browser = DeadLetterBrowser::open(&config.broker.amqp_url, Topology::new(&config.broker)).await?;
    let done = act(&browser, config.action).await;
    browser.close().await;
    done
}

async fn act(browser: &DeadLetterBrowser, action: DeadLetterAction) -> Result<(), Failure> {
    match action {
        DeadLetterAction::List { limit, json } => show(&browser.list(limit.get()).await?, json),
        DeadLetterAction::Replay(selection) => {
            let done = browser.replay(&choice(selection), Instant::now() + REPLAY_TIMEOUT).await?;
            say(&format!("{} replayed", done.replayed))?;
            done.stopped.map_or(Ok(()), |stop| Err(format!("stopped: {stop}")))?;
            all_found(&done.missing)
        }
        DeadLetterAction::Delete(selection) => {
            let (deleted, missing) = browser.delete(&choice(selection)).await?;
            say(&format!("{deleted} deleted"))?;
            all_found(&missing)
        }
    }
}

fn choice(selection: DeadLetterSelection) -> Choice {
    if selection.all { Choice::All } else { Choice::Only(selection.ids.into_iter().collect()) }
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

#[cfg(test)]
mod tests {
    use pulso_shared::amqp::dead_letters::{Choice, Content, DeadLetter};
    use pulso_shared::amqp::message;
    use pulso_shared::ids::DeadLetterId;
    use serde_json::json;

    use super::{all_found, choice, in_full, in_short};
    use crate::config::DeadLetterSelection;

    fn letter(content: Content) -> DeadLetter {
        DeadLetter {
            id: "01JD3ZK8M4T0Q2V6X9Y7B5C1RA".parse().unwrap(),
            reason: "refused".into(),
            detail: "value out of range".into(),
            died_at: Some("2026-11-25T12:00:00Z".parse().unwrap()),
            message_type: Some("pulso.telemetry.v2".into()),
            bytes: 84,
            content,
        }
    }

    fn submissions() -> Content {
        let body = br#"[["r",1,[["01JD3ZK8M4T0Q2V6X9Y7B5C1RB",2,3]],[["01JD3ZK8M4T0Q2V6X9Y7B5C1RB",4]]]]"#;
        Content::Submissions(message::decode(body).unwrap())
    }

    #[test]
    fn a_letter_in_short_is_for_people() {
        let first = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA  2026-11-25T12:00:00+00:00  refused: value out of range";
        assert_eq!(in_short(&letter(submissions())), format!("{first}\n    84 bytes: 2 readings"));
        let excerpt = letter(Content::Excerpt("not\njson".into()));
        assert_eq!(in_short(&excerpt), format!("{first}\n    84 bytes: \"not\\njson\""), "on one line");
        let timeless = DeadLetter { died_at: None, ..excerpt };
        assert!(in_short(&timeless).contains("  at an unknown time  "));
    }

    #[test]
    fn a_letter_in_full_is_for_programs() {
        let value = in_full(&letter(submissions()));
        assert_eq!((&value["id"], &value["bytes"]), (&json!("01JD3ZK8M4T0Q2V6X9Y7B5C1RA"), &json!(84)));
        assert_eq!(value["died_at"], "2026-11-25T12:00:00Z");
        assert_eq!(value["submissions"][0]["heartbeats"][0]["cpu_usage"], 3.0);
        assert_eq!(value["excerpt"], json!(null));
        let value = in_full(&letter(Content::Excerpt("not json".into())));
        assert_eq!((&value["submissions"], &value["excerpt"]), (&json!(null), &json!("not json")));
    }

    #[test]
    fn letters_that_were_not_found_are_named() {
        assert!(all_found(&[]).is_ok());
        let missing = [DeadLetterId::generate(), DeadLetterId::generate()];
        let says = all_found(&missing).unwrap_err().to_string();
        assert_eq!(says, format!("there is no such dead letter: {}, {}", missing[0], missing[1]));
    }

    #[test]
    fn a_selection_is_all_letters_or_the_named_ones_each_once() {
        let id = DeadLetterId::generate();
        assert_eq!(choice(DeadLetterSelection { all: true, ids: Vec::new() }), Choice::All);
        assert_eq!(choice(DeadLetterSelection { all: false, ids: vec![id, id] }), Choice::Only([id].into()));
    }
}

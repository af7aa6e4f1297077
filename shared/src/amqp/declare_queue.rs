//! Declares a queue that may exist already, with another size or delivery limit.

use std::collections::BTreeMap;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ErrorKind};

use super::connect::{ConnectionError, within_time};

/// The arguments in which an existing queue may differ from ours. All the others decide whether confirmed messages are
/// kept: a queue that is not a quorum queue, or drops its oldest messages when it is full, must not be used.
const LIMITS: [&str; 2] = ["x-max-length-bytes", "x-delivery-limit"];

/// A queue that exists with other [`LIMITS`] is used as it is: the broker cannot change them, and an API that accepts
/// nothing because a setting has changed would be worse than the old limit. The broker reports one difference at a
/// time, so each limit that differs is taken over until no further difference is reported.
pub(super) async fn declare_queue(
    connection: &Connection,
    name: ShortString,
    mut arguments: FieldTable,
) -> Result<(), ConnectionError> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for _ in LIMITS {
        // A refusal closes its channel.
        let channel = within_time(connection.create_channel()).await?;
        let declared = within_time(channel.queue_declare(name.clone(), durable, arguments.clone())).await;
        let Err(ConnectionError::Broker(refused)) = declared else {
            return declared.map(|_| ());
        };
        let Some((limit, current)) = other_limit(&refused) else { return Err(refused.into()) };
        tracing::warn!(queue = name.as_str(), %refused, "the queue exists with another limit; it is kept");
        arguments = with_limit(arguments, limit, current);
    }
    let channel = within_time(connection.create_channel()).await?;
    within_time(channel.queue_declare(name, durable, arguments)).await.map(|_| ())
}

/// Which of the [`LIMITS`] differs, and its current value (`None`: not set). The error text is the only place where the
/// broker tells it; `tests/black_box/topology.rs` of the worker holds it against the installed broker version:
///
/// ```text
/// PRECONDITION_FAILED - inequivalent arg 'x-max-length-bytes' for queue 'pulso.store' in vhost '/':
/// received '5000' but current is '4000'
/// ```
///
/// Values of different types read `the value '4000' of type 'long'`, or `none`.
fn other_limit(refused: &lapin::Error) -> Option<(&'static str, Option<i64>)> {
    let ErrorKind::ProtocolError(error) = refused.kind() else { return None };
    let (_, words) = error.get_message().as_str().split_once("inequivalent arg '")?;
    let (named, words) = words.split_once('\'')?;
    let limit = LIMITS.into_iter().find(|limit| *limit == named)?;
    let (_, current) = words.rsplit_once("but current is ")?;
    if current.starts_with("none") {
        return Some((limit, None));
    }
    let value = current.split('\'').nth(1)?;
    Some((limit, Some(value.parse().ok()?)))
}

fn with_limit(arguments: FieldTable, limit: &str, value: Option<i64>) -> FieldTable {
    let mut others: BTreeMap<_, _> = arguments.inner().clone();
    others.remove(limit);
    others.extend(value.map(|value| (limit.into(), AMQPValue::LongLongInt(value))));
    others.into()
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};
    use lapin::types::{AMQPValue, FieldTable};

    use super::{LIMITS, other_limit, with_limit};

    fn arguments() -> FieldTable {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(1_000));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(100));
        arguments
    }

    fn refusal(text: &str) -> lapin::Error {
        let kind = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
        lapin::ErrorKind::ProtocolError(AMQPError::new(kind, text.into())).into()
    }

    #[test]
    fn a_refusal_names_the_limit_that_differs_and_its_current_value() {
        let refusals = [
            ("x-max-length-bytes", "received '5000' but current is '4000'", Some(4_000)),
            ("x-max-length-bytes", "received the value '5' of type 'long' but current is none", None),
            ("x-delivery-limit", "received none but current is the value '20' of type 'signedint'", Some(20)),
        ];
        for (limit, words, current) in refusals {
            let text = format!(
                "PRECONDITION_FAILED - inequivalent arg '{limit}' for queue 'pulso.store' in vhost '/': {words}"
            );
            assert_eq!(other_limit(&refusal(&text)), Some((limit, current)), "{text}");
        }
    }

    #[test]
    fn any_other_refusal_is_not_a_limit() {
        let of = |text: &str| other_limit(&refusal(text));
        let inequivalent = |argument: &str, words: &str| {
            of(&format!("PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'q' in vhost '/': {words}"))
        };
        assert_eq!(inequivalent("x-queue-type", "received 'quorum' but current is 'classic'"), None);
        assert_eq!(inequivalent("x-overflow", "received 'reject-publish' but current is none"), None);
        assert_eq!(inequivalent("x-max-length-bytes", "received '5'"), None, "no current value");
        assert_eq!(inequivalent("x-max-length-bytes", "received '5' but current is 'many'"), None);
        assert_eq!(of("NOT_FOUND - no queue 'q' in vhost '/'"), None);
        assert_eq!(other_limit(&lapin::ErrorKind::ChannelsLimitReached.into()), None);
    }

    #[test]
    fn a_limit_that_is_taken_over_replaces_ours_and_nothing_else() {
        for limit in LIMITS {
            let ours = arguments();
            let changed = with_limit(ours.clone(), limit, Some(7));
            assert_eq!(changed.inner().get(limit), Some(&AMQPValue::LongLongInt(7)));
            let unset = with_limit(ours.clone(), limit, None);
            assert_eq!(unset.inner().get(limit), None);
            for (name, value) in ours.inner().iter().filter(|(name, _)| name.as_str() != limit) {
                assert_eq!((changed.inner().get(name), unset.inner().get(name)), (Some(value), Some(value)), "{name}");
            }
        }
    }
}

//! What every list does with its page.

use serde_json::json;

use super::{Stage, parameters};

#[tokio::test]
async fn every_list_tells_all_that_is_wrong_with_its_page_at_once_and_begins_at_a_blank_cursor() {
    let stage = Stage::set().await;
    let rows = stage.rows(|operation| parameters(operation).contains(&"cursor"));
    assert!(rows.len() >= 9, "{}", rows.len());
    for row in rows {
        let caller = stage.allowed(row);
        let (_, path, _) = stage.scene.address(row);
        for limit in ["", "0", "1001", "-1", "1.5", "many", "99999999999999999999"] {
            let refused = caller.get(&format!("{path}?limit={limit}&cursor=nonsense%20of%20mine")).await.expect(422);
            let pointers = refused.faults().into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>();
            assert_eq!(pointers, ["/cursor", "/limit"], "{} {limit}: {}", row.operation, refused.text);
        }
        for query in ["cursor=", "cursor=%20", "limit=1", "limit=1000", "unknown=1"] {
            let answer = caller.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 200, "{} {query}: {}", row.operation, answer.text);
        }
    }
    stage.pulso.finish().await;
}

#[tokio::test]
async fn every_list_without_pages_checks_its_limit() {
    let stage = Stage::set().await;
    let is_bounded = |names: &[&str]| names.contains(&"limit") && !names.contains(&"cursor");
    let rows = stage.rows(|operation| is_bounded(&parameters(operation)));
    assert!(!rows.is_empty());
    for row in rows {
        let caller = stage.allowed(row);
        let (_, path, _) = stage.scene.address(row);
        for limit in ["", "0", "1001", "x"] {
            let refused = caller.get(&format!("{path}?limit={limit}")).await.expect(422);
            assert_eq!(refused.faults(), [("/limit".to_owned(), "out_of_range".to_owned())], "{}", row.operation);
        }
        let _ = caller.get(&format!("{path}?limit=1")).await.expect(200);
    }
    stage.pulso.finish().await;
}

#[tokio::test]
async fn a_list_read_page_by_page_while_it_grows_has_everything_of_the_beginning_once() {
    let stage = Stage::set().await;
    let user = stage.pulso.client.new_user().await;
    for (path, name, count) in [("/devices", "name", 7), ("/tasks", "title", 7), ("/servers", "server_name", 7)] {
        let made = async |number: usize| {
            let made = user.post(path, &json!({name: format!("thing {number}")})).await.expect(201);
            ["id", "server_ulid"].iter().find_map(|id| made.body[id].as_str().map(str::to_owned)).unwrap()
        };
        let mut expected = Vec::new();
        for number in 0..count {
            expected.push(made(number).await);
        }
        let (mut seen, mut next, mut pages) = (Vec::new(), Some(format!("{path}?limit=2")), 0);
        while let Some(address) = next {
            let page = user.get(&address).await.expect(200);
            for thing in page.body.as_array().unwrap() {
                let id = ["id", "server_ulid"].iter().find_map(|id| thing[id].as_str()).unwrap();
                seen.push(id.to_owned());
            }
            next = page.next_page();
            pages += 1;
            // One more between two pages; a list that never ends would be another fault.
            if pages <= 3 {
                made(100 + pages).await;
            }
            assert!(pages < 20, "{path} does not end");
        }
        let of_beginning: Vec<_> = seen.iter().filter(|id| expected.contains(id)).cloned().collect();
        let mut sorted = of_beginning.clone();
        sorted.sort();
        expected.sort();
        assert_eq!(sorted, expected, "{path}: everything, and once");
    }
    stage.pulso.finish().await;
}

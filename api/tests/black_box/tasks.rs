//! Tasks: one's own and nobody else's, found again by what they say, played as a to-do client plays them.

use pulso_testkit::{Answer, Client, Process, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start_api;

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

fn titles(answer: &Answer) -> Vec<&str> {
    answer.body.as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap()).collect()
}

async fn with_if_match(client: &Client, method: Method, path: &str, tag: &str, body: &Value) -> Answer {
    client.send(client.request(method, path).header("If-Match", tag).json(body)).await
}

#[tokio::test]
async fn a_classic_to_do_client_works_as_it_is() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    let account = json!({"username": "ana", "email": "ana@example.com", "password": "correct horse"});
    let _ = client.post("/register/", &account).await.expect(201);
    let tokens = client.post("/login/", &json!({"username": "ana", "password": "correct horse"})).await.expect(200);
    let ana = client.with_token_of(&tokens);
    assert_eq!(ana.get("/tasks/").await.expect(200).body, json!([]));

    let made = json!({"title": "Buy milk", "description": "Two litres", "completed": false});
    let made = ana.post("/tasks/", &made).await.expect(201);
    let path = format!("/tasks/{}/", id(&made));
    assert_eq!(made.body["title"], "Buy milk");
    assert_eq!((&made.body["status"], &made.body["completed"]), (&json!("pending"), &json!(false)));
    assert_eq!(made.header("location"), Some(format!("/api/v1/tasks/{}", id(&made)).as_str()));
    assert_eq!(ana.get(&path).await.expect(200).body, made.body);
    assert_eq!(ana.get("/tasks/").await.expect(200).body, json!([made.body]));

    let whole = json!({"title": "Buy bread", "description": "One loaf", "status": "done"});
    let changed = ana.put(&path, &whole).await.expect(200);
    assert_eq!((&changed.body["title"], &changed.body["completed"]), (&json!("Buy bread"), &json!(true)));
    let changed = ana.patch(&path, &json!({"completed": false})).await.expect(200);
    assert_eq!((&changed.body["status"], &changed.body["description"]), (&json!("pending"), &json!("One loaf")));
    let bare = ana.put(&path, &json!({"title": "Buy bread"})).await.expect(200);
    assert_eq!(bare.body["description"], Value::Null);

    assert_eq!(ana.delete(&path).await.expect(204).text, "");
    for method in ["GET", "DELETE"] {
        let _ = ana.ask(method, &path).await.expect(404);
    }
    for method in ["GET", "POST"] {
        let _ = client.ask(method, "/tasks/").await.expect(401);
    }
    assert_eq!(ana.ask("DELETE", "/tasks/").await.expect(405).header("allow"), Some("GET, POST"));
    pulso.finish().await;
}

#[tokio::test]
async fn nobody_sees_or_touches_anothers_task_or_device() {
    let pulso = start_api(Vec::new()).await;
    let (ana, bob) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let device = ana.new_device().await;
    let made = ana.post("/tasks", &json!({"title": "Calibrate", "device_id": device.id})).await.expect(201);
    assert_eq!(made.body["device_id"], device.id);
    let path = format!("/tasks/{}", id(&made));
    let unknown = bob.get("/tasks/01JD3ZK8M4T0Q2V6X9Y7B5C1RA").await.expect(404);
    for refused in [
        bob.get(&path).await,
        bob.delete(&path).await,
        bob.put(&path, &json!({"title": "Mine"})).await,
        bob.patch(&path, &json!({"status": "done"})).await,
        bob.get("/tasks/nonsense").await,
    ] {
        assert_eq!(refused.expect(404).body["title"], unknown.body["title"]);
    }
    assert_eq!(bob.get("/tasks").await.expect(200).body, json!([]));
    assert_eq!(bob.get(&format!("/tasks?device_id={}", device.id)).await.expect(200).body, json!([]));
    assert_eq!(ana.get(&path).await.expect(200).body, made.body);

    // Another's device and one that never was: one answer.
    for device_id in [device.id.as_str(), "01JD3ZK8M4T0Q2V6X9Y7B5C1RA"] {
        let body = json!({"title": "Spy", "device_id": device_id});
        let refused = bob.post("/tasks", &body).await.expect(422);
        assert_eq!(refused.faults(), [("/device_id".to_owned(), "unknown_device".to_owned())]);
    }
    let own = bob.post("/tasks", &json!({"title": "Own"})).await.expect(201);
    let _ = bob.patch(&format!("/tasks/{}", id(&own)), &json!({"device_id": device.id})).await.expect(422);
    let _ = device.client.get("/tasks").await.expect(403);

    // A task outlives its device, and no task its owner.
    let _ = ana.delete(&format!("/devices/{}", device.id)).await.expect(204);
    assert_eq!(ana.get(&path).await.expect(200).body["device_id"], Value::Null);
    let _ = ana.delete_own_account().await.expect(204);
    let owned = "SELECT count(*) FROM tasks JOIN users ON users.id = tasks.owner_id";
    assert_eq!(pulso.database.count(owned).await, 1, "the rest is deleted by the workers");
    pulso.finish().await;
}

#[tokio::test]
async fn tasks_are_found_by_title_status_and_device_whatever_the_case_and_accents() {
    let pulso = start_api(Vec::new()).await;
    let ana = pulso.client.new_user().await;
    let device = ana.new_device().await;
    for task in [
        json!({"title": "Calibração do sensor"}),
        json!({"title": "CALIBRATE pump", "status": "done", "device_id": device.id}),
        json!({"title": "100% of filter_3", "completed": true}),
        json!({"title": "Straße fegen"}),
        json!({"title": "水 prüfen"}),
    ] {
        let _ = ana.post("/tasks", &task).await.expect(201);
    }
    for (query, expected) in [
        ("q=calibra", vec!["Calibração do sensor", "CALIBRATE pump"]),
        ("q=CALIBRACAO", vec!["Calibração do sensor"]),
        ("q=calibra%C3%A7%C3%A3o", vec!["Calibração do sensor"]),
        ("q=PR%C3%9CF", vec!["水 prüfen"]),
        ("q=%E6%B0%B4", vec!["水 prüfen"]),
        ("q=strasse", vec!["Straße fegen"]),
        ("q=0%25", vec!["100% of filter_3"]),
        ("q=r_3", vec!["100% of filter_3"]),
        ("q=_", vec!["100% of filter_3"]),
        ("q=nothing", vec![]),
        ("q=%5C", vec![]),
        ("status=done", vec!["CALIBRATE pump", "100% of filter_3"]),
        ("completed=true&q=calib", vec!["CALIBRATE pump"]),
        ("status=pending&q=calib", vec!["Calibração do sensor"]),
        ("q=+&status=&limit=2", vec!["Calibração do sensor", "CALIBRATE pump"]),
    ] {
        assert_eq!(titles(&ana.get(&format!("/tasks?{query}")).await.expect(200)), expected, "{query}");
    }
    let of_device = ana.get(&format!("/tasks/?device_id={}", device.id.to_lowercase())).await.expect(200);
    assert_eq!(titles(&of_device), ["CALIBRATE pump"]);
    for query in ["status=half", "completed=x", "device_id=x", "page=0", "page_size=1001", "cursor=x", "q=a%00"] {
        let _ = ana.get(&format!("/tasks?{query}")).await.expect(422);
    }

    // The index is there for the day there are many.
    let plan = "SELECT count(*) FROM pg_indexes WHERE tablename = 'tasks' AND indexdef LIKE '%gin_trgm_ops%'";
    assert_eq!(pulso.database.count(plan).await, 1);
    pulso.finish().await;
}

#[tokio::test]
async fn pages_by_cursor_stay_in_step_and_pages_by_number_count() {
    let pulso = start_api(Vec::new()).await;
    let ana = pulso.client.new_user().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let status = if number % 2 == 0 { "done" } else { "pending" };
        let task = json!({"title": format!("task {number}"), "status": status});
        expected.push(id(&ana.post("/tasks", &task).await.expect(201)));
    }
    let (mut seen, mut next) = (Vec::new(), Some("/tasks/?limit=3".to_owned()));
    while let Some(path) = next {
        let page = ana.get(&path).await.expect(200);
        assert_eq!(page.header("x-total-count"), None);
        seen.extend(page.body.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()));
        next = page.next_page();
    }
    assert_eq!(seen, expected);

    let first = ana.get("/tasks?page_size=3").await.expect(200);
    assert_eq!((first.header("x-total-count"), titles(&first).len()), (Some("7"), 3));
    // Of what was deleted since, and on a page before, none shifts what follows the link.
    let _ = ana.delete(&format!("/tasks/{}", expected[1])).await.expect(204);
    let second = ana.get(&first.next_page().unwrap()).await.expect(200);
    assert_eq!(titles(&second), ["task 3", "task 4", "task 5"]);
    let by_number = ana.get("/tasks?page=2&page_size=3").await.expect(200);
    assert_eq!(titles(&by_number), ["task 4", "task 5", "task 6"], "counted anew");
    let third = ana.get(&second.next_page().unwrap()).await.expect(200);
    assert_eq!((titles(&third), third.next_page()), (vec!["task 6"], None));
    let beyond = ana.get("/tasks?page=4294967295&page_size=1000").await.expect(200);
    assert_eq!((beyond.body.clone(), beyond.header("x-total-count")), (json!([]), Some("6")));
    let done = ana.get("/tasks?page=2&limit=2&status=done").await.expect(200);
    assert_eq!((titles(&done), done.header("x-total-count")), (vec!["task 4", "task 6"], Some("4")));
    pulso.finish().await;
}

#[tokio::test]
async fn a_search_folds_accents_and_nothing_that_makes_another_letter() {
    let pulso = start_api(Vec::new()).await;
    let ana = pulso.client.new_user().await;
    for title in ["カス", "ガス", "कम", "काम", "각", "Café Ångström", "μέτρο", "ёлка"] {
        let _ = ana.post("/tasks", &json!({"title": title})).await.expect(201);
    }
    for (query, found) in [
        ("ガス", vec!["ガス"]),
        ("ｶﾞｽ", vec!["ガス"]),
        ("カス", vec!["カス"]),
        ("काम", vec!["काम"]),
        ("कम", vec!["कम"]),
        ("가", vec![]),
        ("각", vec!["각"]),
        ("cafe ANGSTROM", vec!["Café Ångström"]),
        ("μετρο", vec!["μέτρο"]),
        ("елка", vec!["ёлка"]),
        ("\u{301}", vec![]),
        ("\u{93e}", vec![]),
        ("\u{3099}\u{301}", vec![]),
    ] {
        let answer = ana.get(&format!("/tasks?q={query}")).await.expect(200);
        assert_eq!(titles(&answer), found, "{query}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn titles_that_an_older_release_has_folded_are_found_after_the_migration() {
    let pulso = start_api(Vec::new()).await;
    let ana = pulso.client.new_user().await;
    for title in ["ガス", "plain"] {
        let _ = ana.post("/tasks", &json!({"title": title})).await.expect(201);
    }
    pulso.database.execute("UPDATE tasks SET title_folded = 'カス' WHERE title = 'ガス'").await;
    let search = async || {
        let answer = ana.get("/tasks?q=ガス").await.expect(200);
        titles(&answer).len()
    };
    assert_eq!(search().await, 0);
    let url = ("DATABASE_URL".to_owned(), pulso.database.url.clone());
    let migrate = Process::start("pulso-api", &["migrate"], &[url]);
    eventually("it is found", async || (search().await == 1).then_some(())).await;
    eventually("it is counted", async || migrate.has_logged("titles folded anew").then_some(())).await;
    pulso.finish().await;
}

#[tokio::test]
async fn versions_are_respected_and_all_faults_told_at_once() {
    let pulso = start_api(Vec::new()).await;
    let ana = pulso.client.new_user().await;
    let made = ana.post("/tasks", &json!({"title": "x", "due_at": "2026-12-01T09:00:00-03:00"})).await.expect(201);
    assert_eq!(made.body["due_at"], "2026-12-01T12:00:00Z");
    let (path, tag) = (format!("/tasks/{}", id(&made)), made.header("etag").unwrap().to_owned());
    let _ = ana.get_with(&path, "If-None-Match", &tag).await.expect(304);
    let unchanged = ana.patch(&path, &json!({})).await.expect(200);
    assert_eq!(unchanged.header("etag"), Some(tag.as_str()));
    let done = json!({"status": "done"});
    let changed = with_if_match(&ana, Method::PATCH, &path, &tag, &done).await.expect(200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let _ = with_if_match(&ana, Method::PATCH, &path, &tag, &done).await.expect(412);
    let _ = with_if_match(&ana, Method::PUT, &path, &tag, &json!({"title": "y"})).await.expect(412);
    let cleared = ana.patch(&path, &json!({"due_at": null, "description": " "})).await.expect(200);
    assert_eq!(cleared.body["due_at"], Value::Null);

    let bad = json!({"title": " ", "description": 5, "status": "half", "completed": "yes", "device_id": "x",
        "due_at": "tomorrow"});
    let pointers = ["/completed", "/description", "/device_id", "/due_at", "/status", "/title"];
    for refused in [ana.post("/tasks", &bad).await, ana.put(&path, &bad).await, ana.patch(&path, &bad).await] {
        let faults = refused.expect(422).faults();
        assert_eq!(faults.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(), pointers);
    }
    for title in [json!("x".repeat(201)), json!("a\u{0}b"), json!(null), json!(7)] {
        let _ = ana.post("/tasks", &json!({"title": title})).await.expect(422);
    }
    let _ = ana.post("/tasks", &json!({})).await.expect(422);
    let _ = ana.post("/tasks", &json!([])).await.expect(400);
    let longest = json!({"title": "ã".repeat(200), "description": "línea\n".repeat(800), "unknown": 1});
    let _ = ana.post("/tasks", &longest).await.expect(201);
    pulso.finish().await;
}

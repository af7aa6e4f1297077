//! A feed of products taken over: from a body, from its address, again, and from hostile hands.

use pulso_testkit::Answer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::shop::{Shop, each, product, text};

/// An item as dummyjson has them, with more than we read.
fn item(id: u32, price: f64) -> Value {
    json!({"id": id, "title": format!("Product {id}"), "description": "As good as any.", "category": "beauty",
        "price": price, "discountPercentage": 10.48, "rating": 2.56, "stock": 99, "tags": ["x"], "brand": "Essence",
        "sku": format!("BEA-{id}"), "weight": 4, "dimensions": {"width": 15.14}, "reviews": [{"rating": 3}],
        "images": ["https://cdn.example.com/1.webp"], "thumbnail": "https://cdn.example.com/thumbnail.webp"})
}

fn feed(items: &[Value]) -> Value {
    json!({"products": items, "total": 194, "skip": 0, "limit": 30})
}

/// How many were created, updated, unchanged and rejected.
fn counts(answer: &Answer) -> [u64; 4] {
    let number = |field: &str| answer.body[field].as_u64().unwrap();
    let rejected = answer.body["rejected"].as_array().unwrap().len();
    [number("created"), number("updated"), number("unchanged"), u64::try_from(rejected).unwrap()]
}

#[tokio::test]
async fn a_feed_imported_twice_changes_nothing_and_a_changed_item_is_taken_over() {
    let shop = Shop::open().await;
    let import = async |feed: &Value| shop.admin.post("/products/import", feed).await.expect(200);
    let prices = [9.99, 0.29, 1.15, 19.9, 129.0];
    let items: Vec<_> = (1..).zip(prices).map(|(id, price)| item(id, price)).collect();
    assert_eq!(counts(&import(&feed(&items)).await), [5, 0, 0, 0]);
    let listed = shop.pulso.client.get("/products?sort=name").await.expect(200);
    assert_eq!(each(&listed, "price_minor"), [999, 29, 115, 1990, 12900], "exact to the cent");
    assert_eq!((&listed.body[0]["currency"], &listed.body[0]["sku"]), (&json!("USD"), &json!("BEA-1")));

    // What was sold since, and what the feed says beside what we read, is no change of the feed's.
    let first = text(&listed.body[0]["id"]);
    let _ = shop.ordered(&[(first.as_str(), 9)]).await;
    let mut rated = items.clone();
    rated[1]["rating"] = json!(5);
    assert_eq!(counts(&import(&feed(&rated)).await), [0, 0, 5, 0]);
    assert_eq!(shop.stock(&first).await, 90);
    rated[2]["price"] = json!(1.2);
    assert_eq!(counts(&import(&feed(&rated)).await), [0, 1, 4, 0]);
    assert_eq!(counts(&import(&feed(&rated)).await), [0, 0, 5, 0]);
    let dearer = shop.pulso.client.get("/products?q=product%203").await.expect(200);
    assert_eq!(each(&dearer, "price_minor"), [120]);

    // Another feed has ids of its own; a retired product stays so.
    let mut other = item(1, 5.0);
    other["sku"] = json!(null);
    assert_eq!(counts(&import(&json!({"source": "other", "products": [other]})).await), [1, 0, 0, 0]);
    let _ = shop.admin.delete(&format!("/products/{first}")).await.expect(204);
    rated[0]["price"] = json!(1);
    assert_eq!(counts(&import(&feed(&rated)).await), [0, 1, 4, 0]);
    let _ = shop.pulso.client.get(&format!("/products/{first}")).await.expect(404);
    assert_eq!(each(&shop.admin.get("/admin/audit?action=product.imported").await, "id").len(), 8);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_bad_item_is_named_by_its_place_and_the_others_are_imported() {
    let shop = Shop::open().await;
    let _ = shop.admin.post("/products", &product(json!({"sku": "TAKEN"}))).await.expect(201);
    let mut items: Vec<_> = (0..8).map(|id| item(id, 1.0)).collect();
    items[1] = json!("nonsense");
    items[2]["price"] = json!("9.99");
    items[3]["price"] = json!(-1);
    items[4]["sku"] = json!("TAKEN");
    items[5]["id"] = json!(0);
    items[6] =
        json!({"id": {"$ne": 1}, "title": "x\u{0}", "price": 1e300, "stock": 1.5, "thumbnail": "javascript:alert(1)"});
    let answer = shop.admin.post("/products/import", &feed(&items)).await.expect(200);
    assert_eq!(counts(&answer), [2, 0, 0, 6]);
    let rejected: Vec<_> = answer.body["rejected"].as_array().unwrap().iter().collect();
    let indices: Vec<_> = rejected.iter().map(|item| item["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        (&rejected[3]["errors"][0]["pointer"], &rejected[3]["errors"][0]["code"]),
        (&json!("/sku"), &json!("taken"))
    );
    assert_eq!(rejected[5]["errors"].as_array().unwrap().len(), 5, "all that is wrong with it");

    let none = shop.admin.post("/products/import", &json!({"products": [{}, 5]})).await.expect(422);
    assert!(none.faults().iter().any(|(pointer, code)| pointer == "/products/0/title" && code == "required"));
    let many = shop.admin.post("/products/import", &json!({"products": vec![json!({}); 1_000]})).await.expect(422);
    assert_eq!(many.faults().len(), 100);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_hostile_body_imports_nothing() {
    let shop = Shop::open().await;
    for (body, status) in [
        ("[]", 400),
        ("{", 400),
        ("null", 400),
        (r#"{"products": 5}"#, 422),
        (r#"{"products": {"0": {}}}"#, 422),
        ("", 422),
        ("{}", 422),
    ] {
        let _ = shop.admin.post_raw("/products/import", body).await.expect(status);
    }
    let deep = format!(r#"{{"products": [{}{}]}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let _ = shop.admin.post_raw("/products/import", deep).await.expect(400);
    let many: Vec<_> = (0..1_001).map(|id| json!({"id": id})).collect();
    let _ = shop.admin.post("/products/import", &feed(&many)).await.expect(422);
    let huge = format!(r#"{{"products": [], "x": "{}"}}"#, "x".repeat(1_100_000));
    let _ = shop.admin.post_raw("/products/import", huge).await.expect(413);
    assert_eq!(counts(&shop.admin.post("/products/import", &feed(&[])).await.expect(200)), [0; 4]);
    assert_eq!(shop.pulso.database.count("SELECT count(*) FROM products").await, 0);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn without_a_body_the_feed_is_fetched_and_an_unusable_one_is_told_from_a_bad_request() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/products?limit=0", server.local_addr().unwrap());
    let shop = Shop::open_with(vec![("CATALOGUE_URL", url)]).await;
    let served = [
        ("200 OK", feed(&[item(1, 9.99), item(2, 0.1)]).to_string()),
        ("200 OK", "<html>".to_owned()),
        ("500 Internal Server Error", feed(&[item(3, 1.0)]).to_string()),
        ("200 OK", format!("{{\"x\": \"{}\"}}", "x".repeat(9 * 1024 * 1024))),
    ];
    let serve = tokio::spawn(async move {
        for (status, body) in served {
            let (mut stream, _) = server.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            // The last one is not read to its end.
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let fetched = shop.admin.ask("POST", "/products/import").await.expect(200);
    assert_eq!(counts(&fetched), [2, 0, 0, 0]);
    for _ in 0..3 {
        let unavailable = shop.admin.ask("POST", "/products/import").await.expect(503);
        assert!(
            unavailable.header("retry-after").is_some() && !unavailable.text.contains("127.0.0.1"),
            "{}",
            unavailable.text
        );
    }
    serve.await.unwrap();
    // Nobody listens any more.
    let _ = shop.admin.post("/products/import", &json!({})).await.expect(503);
    assert_eq!(shop.pulso.database.count("SELECT count(*) FROM products").await, 2);
    shop.pulso.finish().await;
}

//! The OpenAPI document and the pages that show it.

use crate::support::start_api;

#[tokio::test]
async fn the_document_is_served_with_its_pages_which_load_nothing_from_elsewhere() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    for page in ["/docs", "/docs/", "/redoc", "/redoc/"] {
        let answer = client.get(page).await.expect(200);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{page}");
        assert!(!answer.text.contains("http"), "{page} loads something from elsewhere");
    }
    let document = client.get("/api-docs/openapi.json").await.expect(200);
    assert!(document.body["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document.body["paths"].as_object().unwrap();
    assert!(paths.keys().all(|path| path.starts_with("/api/v1/")));
    for path in ["/auth/login", "/users/me", "/devices/{id}", "/heartbeats", "/data", "/health/all", "/servers/{id}"] {
        assert!(paths.contains_key(&format!("/api/v1{path}")), "{path}");
    }
    let tag = document.header("etag").unwrap();
    let _ = client.get_with("/api-docs/openapi.json", "If-None-Match", tag).await.expect(304);
    pulso.finish().await;
}

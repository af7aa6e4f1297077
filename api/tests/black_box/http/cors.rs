//! Cross-origin requests.

use pulso_testkit::{Answer, Client};
use reqwest::Method;

use crate::support::start_api;

async fn ask(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client.request(method, path);
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[tokio::test]
async fn pages_of_allowed_origins_may_use_the_api_and_no_others() {
    let origins = "https://app.example.com, http://localhost:5173";
    let pulso =
        start_api(vec![("CORS_ALLOWED_ORIGINS", origins.into()), ("ADDRESS_MAX_PER_MINUTE", "40".into())]).await;
    let client = &pulso.client;
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        let preflight = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "authorization,content-type,x-csrf-token"),
        ];
        for path in ["/tasks", "/api/v1/devices/x", "/heartbeats"] {
            let allowed = ask(client, Method::OPTIONS, path, &preflight).await;
            assert!([200, 204].contains(&allowed.status), "{}", allowed.status);
            assert_eq!(allowed.header("access-control-allow-origin"), Some(origin));
            assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
            assert!(allowed.header("access-control-allow-methods").unwrap().contains("PATCH"));
            let headers = allowed.header("access-control-allow-headers").unwrap().to_lowercase();
            assert!(headers.contains("x-csrf-token") && headers.contains("authorization"), "{headers}");
        }
        // Errors can be read too, and what they say in headers.
        let refused = ask(client, Method::GET, "/tasks", &[("Origin", origin)]).await.expect(401);
        assert_eq!(refused.header("access-control-allow-origin"), Some(origin));
        assert!(refused.header("access-control-expose-headers").unwrap().to_lowercase().contains("ratelimit"));
        assert!(refused.header("vary").unwrap().to_lowercase().contains("origin"));
    }
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let preflight = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        let refused = ask(client, Method::OPTIONS, "/tasks", &preflight).await;
        assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}");
        let plain = ask(client, Method::GET, "/docs", &[("Origin", origin)]).await;
        assert_eq!(plain.header("access-control-allow-origin"), None, "{origin}");
    }
    let limited = loop {
        let answer = ask(client, Method::GET, "/docs", &[("Origin", "https://app.example.com")]).await;
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(limited.header("access-control-allow-origin"), Some("https://app.example.com"));
    pulso.finish().await;

    // By default there is nothing of it.
    let pulso = start_api(Vec::new()).await;
    let preflight = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "GET")];
    let refused = ask(&pulso.client, Method::OPTIONS, "/tasks", &preflight).await.expect(405);
    assert_eq!(refused.header("access-control-allow-origin"), None);
    pulso.finish().await;
}

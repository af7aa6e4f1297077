//! Headers that keep browsers safe.

use crate::support::start_api;

#[tokio::test]
async fn every_answer_to_people_has_the_headers_that_keep_browsers_safe() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    for (path, status) in [("/devices", 200), ("/nowhere", 404), ("/docs", 200), ("/redoc", 200), ("/livez", 200)] {
        let answer = user.get(path).await.expect(status);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let is_page = path.ends_with("doc") || path.ends_with("docs");
        assert_eq!(policy.contains("default-src 'self'"), is_page, "{path}: {policy}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
        for name in ["server", "x-powered-by"] {
            assert_eq!(answer.header(name), None);
        }
    }
    pulso.finish().await;
}

//! Signing in for a web page: cookies that no script reads, and that no other page can use.

use pulso_testkit::{Answer, Client};
use reqwest::Method;
use serde_json::json;

use crate::support::accounts::{PASSWORD, register};
use crate::support::start_api;

/// What a browser keeps of a sign-in.
struct Browser {
    client: Client,
    cookies: Vec<(String, String)>,
    csrf_token: String,
}

impl Browser {
    async fn sign_in(client: &Client, username: &str) -> (Self, Answer) {
        let login = json!({"username": username, "password": PASSWORD});
        let answer = client.post("/auth/login?session=cookie", &login).await.expect(200);
        let mut browser = Self { client: client.clone(), cookies: Vec::new(), csrf_token: String::new() };
        browser.keep(&answer);
        (browser, answer)
    }

    /// As a browser does with `Set-Cookie`.
    fn keep(&mut self, answer: &Answer) {
        for (name, value, rest) in set_cookies(answer) {
            self.cookies.retain(|(kept, _)| *kept != name);
            if !rest.ends_with("Max-Age=0") {
                self.cookies.push((name, value));
            }
        }
        if let Some(token) = answer.body["csrf_token"].as_str() {
            token.clone_into(&mut self.csrf_token);
        }
    }

    fn forget(&mut self, name: &str) {
        self.cookies.retain(|(kept, _)| kept != name);
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, path).header("Cookie", cookies.join("; "));
        self.client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.ask(Method::POST, path, &[("X-CSRF-Token", &self.csrf_token)]).await
    }
}

fn set_cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let split = lines.map(|line| {
        let (pair, rest) = line.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned(), rest.to_owned())
    });
    split.collect()
}

#[tokio::test]
async fn a_page_signs_in_goes_on_and_signs_out_by_cookie() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (mut browser, signed_in) = Browser::sign_in(client, "ana").await;
    let attributes = |answer: &Answer| -> Vec<(String, String)> {
        set_cookies(answer).into_iter().map(|(name, _, rest)| (name, rest)).collect()
    };
    let expected = [
        ("pulso_access", "HttpOnly; SameSite=Strict; Path=/; Max-Age=900"),
        ("pulso_refresh", "HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000"),
        ("pulso_csrf", "SameSite=Strict; Path=/; Max-Age=2592000"),
    ];
    assert_eq!(attributes(&signed_in), expected.map(|(name, rest)| (name.to_owned(), rest.to_owned())));
    assert_eq!(signed_in.header("cache-control"), Some("no-store"));
    let csrf_token = browser.csrf_token.clone();
    let body = json!({"token_type": "cookie", "expires_in": 900, "csrf_token": csrf_token});
    assert_eq!(signed_in.body, body, "no token that a script could steal");

    assert_eq!(browser.get("/users/me").await.expect(200).body["username"], "ana");
    let task = [("X-CSRF-Token", csrf_token.as_str()), ("Content-Type", "application/json")];
    let _ = browser.ask(Method::POST, "/tasks", &task).await.expect(400);
    let _ = browser.post("/notifications").await.expect(404);

    // It goes on with new tokens; the old ones are used up, and the page's CSRF token stays.
    let old_cookies = browser.cookies.clone();
    let refreshed = browser.post("/auth/refresh/").await.expect(200);
    browser.keep(&refreshed);
    assert_ne!(browser.cookies, old_cookies);
    assert_eq!(browser.csrf_token, csrf_token);
    let _ = browser.get("/users/me").await.expect(200);

    // A bearer header wins over the cookie, be it good or bad.
    register(client, "bob").await;
    let bob = client.signed_in(&json!({"username": "bob", "password": PASSWORD})).await;
    let bearer = format!("Bearer {}", bob.token().unwrap());
    let me = browser.ask(Method::GET, "/users/me", &[("Authorization", &bearer)]).await.expect(200);
    assert_eq!(me.body["username"], "bob");
    let _ = browser.ask(Method::GET, "/users/me", &[("Authorization", "Bearer nonsense")]).await.expect(401);
    let by_token = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let _ = browser.ask(Method::POST, "/tasks", &by_token).await.expect(400);

    let signed_out = browser.post("/auth/logout").await.expect(204);
    assert!(set_cookies(&signed_out).iter().all(|(_, value, rest)| value.is_empty() && rest.ends_with("Max-Age=0")));
    let stolen = Browser { client: client.clone(), cookies: browser.cookies.clone(), csrf_token };
    let _ = stolen.get("/users/me").await.expect(401);
    let _ = stolen.post("/auth/refresh").await.expect(401);
    browser.keep(&signed_out);
    assert!(browser.cookies.is_empty());
    let bob_out = bob.post("/auth/logout", &json!({})).await.expect(204);
    assert!(set_cookies(&bob_out).is_empty(), "who has no cookie gets none");
    pulso.finish().await;
}

#[tokio::test]
async fn a_page_whose_access_token_ran_out_still_refreshes_and_signs_out() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (mut browser, _) = Browser::sign_in(client, "ana").await;
    browser.forget("pulso_access");
    let _ = browser.get("/users/me").await.expect(401);
    let _ = browser.ask(Method::POST, "/auth/logout", &[]).await.expect(403);
    browser.keep(&browser.post("/auth/refresh").await.expect(200));
    let access = browser.cookies.clone();
    browser.forget("pulso_access");
    let _ = browser.post("/auth/logout").await.expect(204);
    let still = Browser { client: client.clone(), cookies: access, csrf_token: browser.csrf_token.clone() };
    let _ = still.get("/users/me").await.expect(401);
    let _ = still.post("/auth/refresh").await.expect(401);

    // Neither a body nor a cookie.
    let _ = client.post("/auth/refresh", &json!({})).await.expect(422);
    let _ = client.send(client.request(Method::POST, "/auth/refresh")).await.expect(422);
    let _ = client.send(client.request(Method::POST, "/auth/logout")).await.expect(401);
    let _ = client.post("/auth/login?session=jar", &json!({"username": "ana", "password": PASSWORD})).await.expect(422);
    pulso.finish().await;
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_stay_signed_in() {
    let pulso = start_api(Vec::new()).await;
    register(&pulso.client, "ana").await;
    let (browser, _) = Browser::sign_in(&pulso.client, "ana").await;
    let (one, other) = tokio::join!(browser.post("/auth/refresh"), browser.post("/auth/refresh"));
    for answer in [one.expect(200), other.expect(200)] {
        // Whichever answer the browser takes last.
        let (cookies, csrf_token) = (browser.cookies.clone(), browser.csrf_token.clone());
        let mut tab = Browser { client: browser.client.clone(), cookies, csrf_token };
        tab.keep(&answer);
        let _ = tab.get("/users/me").await.expect(200);
        tab.keep(&tab.post("/auth/refresh").await.expect(200));
        let _ = tab.get("/users/me").await.expect(200);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn another_page_can_neither_use_the_cookie_nor_plant_one() {
    let pulso = start_api(vec![("CORS_ALLOWED_ORIGINS", "https://app.example.com".into())]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    register(client, "eve").await;
    let (browser, _) = Browser::sign_in(client, "ana").await;
    let (eve, _) = Browser::sign_in(client, "eve").await;
    let device = client.signed_in(&json!({"username": "ana", "password": PASSWORD})).await.new_device().await;
    let device_path = format!("/devices/{}", device.id);
    let eves = eve.csrf_token.as_str();
    for proof in [&[][..], &[("X-CSRF-Token", "")], &[("X-CSRF-Token", "nonsense")], &[("X-CSRF-Token", eves)]] {
        for (method, path) in [
            (Method::POST, "/tasks"),
            (Method::DELETE, "/users/me"),
            (Method::PATCH, "/users/me"),
            (Method::DELETE, device_path.as_str()),
            (Method::POST, "/heartbeats"),
            (Method::POST, "/auth/logout"),
            (Method::POST, "/auth/refresh"),
        ] {
            let refused = browser.ask(method.clone(), path, proof).await.expect(403);
            assert_eq!(refused.header("content-type"), Some("application/problem+json"), "{method} {path} {proof:?}");
        }
    }
    let _ = browser.get(&device_path).await.expect(200);
    let _ = browser.post("/auth/refresh").await.expect(200);

    // A form on another page that would sign its visitor in as eve.
    let form = "username=eve&password=correct+horse";
    let plant = async |headers: &[(&str, &str)]| {
        let request = client.request(Method::POST, "/auth/login?session=cookie").body(form);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    };
    for from in [
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")][..],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "same-site")],
    ] {
        assert!(set_cookies(&plant(from).await.expect(403)).is_empty(), "{from:?}");
    }
    let _ = plant(&[("Origin", "https://app.example.com"), ("Sec-Fetch-Site", "same-site")]).await.expect(200);
    let _ = plant(&[("Sec-Fetch-Site", "same-origin")]).await.expect(200);

    // A device's token is no page's.
    let cookie = format!("pulso_access={}", device.client.token().unwrap());
    let _ = client.get_with("/devices", "Cookie", &cookie).await.expect(401);
    pulso.finish().await;
}

#[tokio::test]
async fn cookies_are_secure_and_hsts_is_said_exactly_where_tls_is() {
    let pulso = start_api(vec![("TRUSTED_PROXIES", "127.0.0.0/8".into())]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let sign_in = async |client: &Client, proto: &str| {
        let login = json!({"username": "ana", "password": PASSWORD});
        let request = client.request(Method::POST, "/auth/login?session=cookie").json(&login);
        client.send(request.header("X-Forwarded-Proto", proto)).await.expect(200)
    };
    let is_secure = |answer: &Answer| {
        let secure = set_cookies(answer)
            .iter()
            .filter(|(_, _, rest)| rest.split("; ").any(|attribute| attribute == "Secure"))
            .count();
        assert!([0, 3].contains(&secure));
        assert_eq!(answer.header("strict-transport-security").is_some(), secure == 3);
        secure == 3
    };
    assert!(is_secure(&sign_in(client, "https").await));
    assert!(!is_secure(&sign_in(client, "http").await));

    // Anybody else may say what they like.
    let plain = start_api(Vec::new()).await;
    register(&plain.client, "ana").await;
    assert!(!is_secure(&sign_in(&plain.client, "https").await));
    let behind = start_api(vec![("BEHIND_TLS", "true".into())]).await;
    register(&behind.client, "ana").await;
    assert!(is_secure(&sign_in(&behind.client, "http").await));
    for pulso in [pulso, plain, behind] {
        pulso.finish().await;
    }
}

#[tokio::test]
async fn by_tls_a_session_that_a_sibling_domain_has_planted_signs_nobody_in() {
    let pulso = start_api(vec![("BEHIND_TLS", "true".to_owned())]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    register(client, "eve").await;
    let (mut browser, signed_in) = Browser::sign_in(client, "ana").await;
    let names: Vec<_> =
        set_cookies(&signed_in).into_iter().map(|(name, _, rest)| (name, rest.contains("Secure"))).collect();
    let expected = ["__Host-pulso_access", "__Host-pulso_refresh", "__Host-pulso_csrf"];
    assert_eq!(names, expected.map(|name| (name.to_owned(), true)));
    assert_eq!(browser.get("/users/me").await.expect(200).body["username"], "ana");
    let refreshed = browser.post("/auth/refresh").await.expect(200);
    browser.keep(&refreshed);

    // What a page of a sibling domain can set for the whole domain: the names without the prefix.
    let (mut planted, _) = Browser::sign_in(client, "eve").await;
    planted.cookies.iter_mut().for_each(|(name, _)| *name = name.trim_start_matches("__Host-").to_owned());
    let _ = planted.get("/users/me").await.expect(401);
    let _ = planted.post("/tasks").await.expect(401);
    let _ = planted.post("/auth/refresh").await.expect(422);
    let mut both = planted.cookies.clone();
    both.extend(browser.cookies.clone());
    let mixed = Browser { client: client.clone(), cookies: both, csrf_token: browser.csrf_token.clone() };
    assert_eq!(mixed.get("/users/me").await.expect(200).body["username"], "ana");
    let signed_out = mixed.post("/auth/logout").await.expect(204);
    assert_eq!(set_cookies(&signed_out).len(), 3);
    let _ = browser.get("/users/me").await.expect(401);
    pulso.finish().await;
}

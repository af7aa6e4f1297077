//! Limits on guessing passwords, none of which locks the owner of an account out.

use reqwest::Method;
use serde_json::json;

use crate::support::accounts::{PASSWORD, register};
use crate::support::rate_limits::{is_refused_by, login_from, start};

#[tokio::test]
async fn guessing_is_stopped_before_bcrypt_and_locks_nobody_out() {
    let pulso = start(&[("LOGIN_MAX_PER_QUARTER_HOUR", 3), ("LOGIN_STRANGERS_MAX_PER_HOUR", 8)]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (home, cafe) = ("198.51.100.1", "198.51.100.2");
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);

    // A stranger at one address: stopped there, the right password too; not the owner elsewhere.
    for _ in 0..3 {
        let _ = login_from(client, "203.0.113.1", "ana", "wrong horse").await.expect(401);
    }
    let stopped = login_from(client, "203.0.113.1", "ANA", PASSWORD).await;
    is_refused_by(&stopped, "login-account");
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    let _ = login_from(client, cafe, "ana", PASSWORD).await.expect(200);

    // Strangers from everywhere: slowed together; the owner is let in wherever they have been before.
    let mut number = 10;
    let slowed = loop {
        let answer = login_from(client, &format!("203.0.113.{number}"), "ana", "wrong horse").await;
        if answer.status == 429 {
            break answer;
        }
        number += 1;
        assert!(number < 30, "nobody is stopped");
    };
    is_refused_by(&slowed, "login-strangers");
    is_refused_by(&login_from(client, "203.0.113.99", "ana", PASSWORD).await, "login-strangers");
    for address in [home, cafe] {
        let _ = login_from(client, address, "ana", PASSWORD).await.expect(200);
    }

    // Mistyping costs the owner nothing once the password is right.
    for _ in 0..3 {
        for _ in 0..2 {
            let _ = login_from(client, home, "ana", "wrong horse").await.expect(401);
        }
        let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    }

    // A name that nobody has is limited in the same words.
    for _ in 0..3 {
        let _ = login_from(client, "203.0.113.1", "nobody", "wrong horse").await.expect(401);
    }
    let nobody = login_from(client, "203.0.113.1", "Nobody", "wrong horse").await;
    assert_eq!(nobody.problem(), stopped.problem());
    pulso.finish().await;
}

#[tokio::test]
async fn an_address_signs_in_and_registers_only_so_often() {
    let pulso = start(&[("LOGIN_ADDRESS_MAX_PER_MINUTE", 3)]).await;
    let client = &pulso.client;
    for number in 0..3 {
        let _ = login_from(client, "198.51.100.1", &format!("name{number}"), "wrong horse").await.expect(401);
    }
    is_refused_by(&login_from(client, "198.51.100.1", "name9", "wrong horse").await, "login-address");
    let account = json!({"username": "eve", "password": PASSWORD});
    for path in ["/auth/register", "/auth/register"] {
        let request = client.request(Method::POST, path).header("X-Forwarded-For", "198.51.100.1");
        is_refused_by(&client.send(request.json(&account)).await, "login-address");
    }
    let elsewhere = login_from(client, "198.51.100.2", "name9", "wrong horse").await.expect(401);
    let told: Vec<_> = elsewhere.headers.get_all("ratelimit").iter().map(|value| value.to_str().unwrap()).collect();
    for limit in ["\"address\";r=", "\"login-address\";r=2;", "\"login-account\";r=19;"] {
        assert!(told.iter().any(|told| told.starts_with(limit)), "{limit} in {told:?}");
    }
    // It would tell a neighbour whether an account has been signed in to from here.
    assert!(!told.iter().any(|told| told.contains("strangers")), "{told:?}");
    pulso.finish().await;
}

#[tokio::test]
async fn an_open_browser_is_no_place_to_guess_the_present_password() {
    let pulso = start(&[("LOGIN_MAX_PER_QUARTER_HOUR", 2)]).await;
    let ana = pulso.client.new_user().await;
    let change = |old: &str| json!({"password": "another horse", "old_password": old});
    for _ in 0..2 {
        let _ = ana.patch("/users/me", &change("wrong horse")).await.expect(422);
    }
    is_refused_by(&ana.patch("/users/me", &change(PASSWORD)).await, "own-password");
    let _ = ana.patch("/users/me", &json!({"full_name": "Ana"})).await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn an_address_that_signs_in_all_the_time_keeps_nobody_else_waiting() {
    // A hash takes a good while, and the address may try as often as it likes.
    let pulso = start(&[("BCRYPT_COST", 12), ("LOGIN_STRANGERS_MAX_PER_HOUR", 0)]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let home = "198.51.100.1";
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    let flood: Vec<_> = (0..40)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { login_from(&client, "203.0.113.1", &format!("name{n}"), "wrong horse").await })
        })
        .collect();
    let mut refused = 0;
    let mut first_answered = None;
    for answer in flood {
        let answer = answer.await.unwrap();
        match answer.status {
            401 => first_answered = first_answered.or(Some(answer)),
            _ => {
                is_refused_by(&answer, "password-hashes");
                refused += 1;
            }
        }
    }
    assert!(first_answered.is_some() && refused >= 30, "{refused} of 40 are refused: 4 wait at a time");
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn strangers_from_everywhere_leave_places_to_whoever_is_known() {
    let pulso = start(&[("BCRYPT_COST", 12)]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let home = "198.51.100.1";
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    let stranger = |n: u32| {
        let (client, address, name) = (client.clone(), format!("203.0.113.{n}"), format!("name{n}"));
        tokio::spawn(async move { login_from(&client, &address, &name, "wrong horse").await.status })
    };
    let mut flood: Vec<_> = (0..100).map(stranger).collect();
    // As soon as one of them is told that there is no room, all the places of strangers are taken.
    loop {
        let (status, _, others) = futures_util::future::select_all(flood).await;
        flood = others;
        if status.unwrap() == 503 {
            break;
        }
    }
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    let waiting = flood.iter().filter(|stranger| !stranger.is_finished()).count();
    assert!(waiting > 0, "ana waited for all the strangers before her");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    drop(pulso);
}

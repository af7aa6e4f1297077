//! Clients that ask for much and do not read it: they hold little, not many, and not for ever.

use pulso_testkit::{Client, Pulso, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::rate_limits::is_refused_by;
use crate::support::start_api;

/// 10,000 readings of 2.7 KB for each device: more than all buffers between two sockets hold.
async fn insert_long_readings(pulso: &Pulso) {
    pulso
        .database
        .execute(
            "INSERT INTO readings (device_id, ts, received_at, temperature, metrics)
             SELECT id, '2024-03-10 00:00:00+00'::timestamptz + n * interval '1 second', now(), n,
                 (SELECT jsonb_object_agg(rpad('metric-' || m, 64, 'x'), n + m) FROM generate_series(1, 32) AS m)
             FROM devices, generate_series(1, 10000) AS n;
             INSERT INTO dirty_buckets SELECT 'readings', device_id, date_bin('1 hour', ts, '0001-01-01 00:00:00+00')
             FROM readings GROUP BY 1, 2, 3;
             UPDATE rollup_watermarks SET rolled_until = '2024-03-10', closed_until = '2024-03-10';
             UPDATE device_state SET reading_ts = (SELECT max(ts) FROM readings)",
        )
        .await;
}

/// A request whose answer is not read beyond its status.
async fn begin_reading(client: &Client, path: &str) -> (TcpStream, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let address = client.base().strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let token = client.token().unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.unwrap();
    (stream, std::str::from_utf8(&line[9..]).unwrap().parse().unwrap())
}

#[tokio::test]
async fn an_account_reads_so_many_exports_at_once_and_another_reads_its_own() {
    let pulso = start_api(vec![("STREAMS_MAX_PER_ACCOUNT", "2".to_owned())]).await;
    let (user, neighbour) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let (_, _) = (user.new_device().await, neighbour.new_device().await);
    insert_long_readings(&pulso).await;
    let before = pulso.api.peak_memory_bytes();
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let (stream, status) = begin_reading(&user, "/data").await;
        assert_eq!(status, 200);
        stalled.push(stream);
    }
    is_refused_by(&user.get("/data").await, "streams");
    // Short answers are not counted.
    assert_eq!(user.get("/data?end_time=2024-03-10T00:00:03").await.expect(200).body.as_array().unwrap().len(), 3);
    let _ = user.get("/users/me").await.expect(200);
    let whole = neighbour.get("/data").await.expect(200).body;
    assert_eq!(whole.as_array().unwrap().len(), 10_000);
    let grown = pulso.api.peak_memory_bytes().saturating_sub(before);
    assert!(grown < 40_000_000, "three answers of 27 MB each took {grown} bytes");
    drop(stalled);
    eventually("the account's streams are free again", async || {
        (begin_reading(&user, "/data").await.1 == 200).then_some(())
    })
    .await;
    pulso.finish().await;
}

#[tokio::test]
async fn whoever_takes_nothing_is_hung_up_on() {
    let pulso = start_api(vec![("STREAMS_MAX_PER_ACCOUNT", "1".to_owned()), ("WRITE_TIMEOUT_S", "1".to_owned())]).await;
    let user = pulso.client.new_user().await;
    let _ = user.new_device().await;
    insert_long_readings(&pulso).await;
    let (stalled, status) = begin_reading(&user, "/data").await;
    assert_eq!(status, 200);
    is_refused_by(&user.get("/data").await, "streams");
    eventually("the stalled one's stream is free", async || {
        (begin_reading(&user, "/data").await.1 == 200).then_some(())
    })
    .await;
    drop(stalled);
    pulso.finish().await;
}

#[tokio::test]
async fn large_answers_are_counted_by_their_size() {
    let pulso = start_api(Vec::new()).await;
    let (user, neighbour) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let (device, other) = (user.new_device().await, neighbour.new_device().await);
    insert_long_readings(&pulso).await;
    // 2.7 MB each: 8 of them are 24 MiB.
    let path = |id: &str| format!("/devices/{id}/readings?limit=1000");
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let (stream, status) = begin_reading(&user, &path(&device.id)).await;
        assert_eq!(status, 200);
        stalled.push(stream);
    }
    is_refused_by(&user.get(&path(&device.id)).await, "large-answers");
    let _ = user.get(&format!("/devices/{}/readings?limit=5", device.id)).await.expect(200);
    let _ = neighbour.get(&path(&other.id)).await.expect(200);
    drop(stalled);
    pulso.finish().await;
}

#[tokio::test]
async fn points_are_so_many_that_their_answer_has_an_end() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    insert_long_readings(&pulso).await;
    let names: Vec<_> = (1..=32).map(|m| format!("{:x<64}", format!("metric-{m}"))).collect();
    // Of so long points, 100,000 would be 300 MB.
    let minutes = format!("/devices/{}/readings?aggregation=minute&start=2024-03-10T00:00:00Z", device.id);
    let few = user.get(&minutes).await.expect(200).body;
    assert_eq!(few.as_array().unwrap().len(), 167);
    let all = user.get(&format!("{minutes}&metrics={}", names.join(","))).await.expect(200).body;
    assert_eq!(all.as_array().unwrap().len(), 167);
    pulso.database.execute("INSERT INTO readings (device_id, ts, received_at, temperature) SELECT id, '2024-03-20', now(), 1 FROM devices; UPDATE device_state SET reading_ts = '2024-03-20'").await;
    assert_eq!(user.get(&minutes).await.expect(200).body.as_array().unwrap().len(), 168);
    let refused = user.get(&format!("{minutes}&metrics={}", names.join(","))).await.expect(422);
    assert_eq!(refused.faults(), [("/aggregation".into(), "too_many_points".into())]);
    pulso.finish().await;
}

//! One POST to receivers of every manner.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ax_storage::clock::Stopwatch;

use super::server::{Manner, Server};
use super::*;

fn post(url: &str) -> Result<(), String> {
    let channel = webhook("ops", url.to_owned());
    let watch = Stopwatch::start();
    let done = send(&channel, &Message::test("ops", NOW), NOW, SHORT, &AtomicBool::new(false));
    assert!(watch.elapsed() < SHORT + Duration::from_secs(2), "took {:?}", watch.elapsed());
    done.map_err(|e| e.to_string())
}

#[test]
fn a_message_arrives_with_its_signature() {
    let server = Server::start(Manner::status(200));
    let hook = Webhook {
        url: Secret::new(format!("{}/hook?key=1", server.url)),
        format: Format::Alertmanager,
        secret: Some(Secret::new("hunter2")),
    };
    let channel = Channel { name: "ops".into(), kind: ChannelKind::Webhook(hook) };
    send(&channel, &Message::test("ops", NOW), NOW, SHORT, &AtomicBool::new(false)).unwrap();
    let (head, body) = server.requests.lock().unwrap()[0].clone();
    assert!(head.starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hunter2");
    let signed = format!("{}.{body}", NOW.millis() / 1000);
    let tag: String = ring::hmac::sign(&key, signed.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert!(head.contains(&format!("x-ax-timestamp: {}\r\n", NOW.millis() / 1000)), "{head}");
    assert!(head.contains(&format!("x-ax-signature: v1={tag}\r\n")), "{head}");
    assert_eq!(server.bodies()[0]["test"], true);
}

#[test]
fn receivers_that_hang_or_dribble_are_left_in_time() {
    for manner in [Manner::Nothing, Manner::Dribbles] {
        assert_eq!(post(&Server::start(manner).url).unwrap_err(), "no answer within 0.3 s");
    }
}

#[test]
fn a_body_without_end_is_not_read() {
    assert_eq!(post(&Server::start(Manner::Huge).url), Ok(()));
}

#[test]
fn a_refusal_is_told_with_its_first_words() {
    let url = Server::start(Manner::status(500)).url;
    assert_eq!(post(&url).unwrap_err(), "the receiver answered 500: oops");
    // Nobody listens at a port that was just given back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(
        post(&format!("http://{closed}/k3y")).unwrap_err(),
        format!("cannot reach http://{closed}: Connection refused")
    );
    let text = Server::start(Manner::Says("SMTP ready\r\n".into())).url;
    assert_eq!(post(&text).unwrap_err(), format!("cannot reach {text}: the answer is no HTTP"));
}

#[test]
fn a_redirect_is_followed_at_the_same_host_only() {
    let other = Server::start(Manner::status(200));
    let away = format!("{}/x", other.url);
    for code in [307, 308] {
        let server = Server::start(Manner::redirect(code, &away));
        assert_eq!(post(&server.url).unwrap_err(), "the receiver redirects to another host, which is refused");
    }
    // These would turn into a GET, which delivers nothing.
    for code in [301, 302, 303] {
        let server = Server::start(Manner::redirect(code, &away));
        assert_eq!(post(&server.url).unwrap_err(), format!("the receiver answered {code}"));
    }
    assert!(other.requests.lock().unwrap().is_empty());
    let here = Server::each(|path| match path {
        "/" => Manner::redirect(307, "/there"),
        "/there" => Manner::status(200),
        _ => Manner::redirect(308, "/round"),
    });
    assert_eq!(post(&here.url), Ok(()));
    assert_eq!(here.bodies().len(), 2);
    assert!(post(&format!("{}/round", here.url)).is_err());
    assert_eq!(here.bodies().len(), 6);
}

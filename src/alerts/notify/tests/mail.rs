//! Mails to a server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// A server for one mail: its port, and the commands and the mail it got. It refuses receivers
/// called `nobody`.
fn server() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, got) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut out = stream;
        let mut all = String::new();
        let mut say = |text: &str| drop(out.write_all(text.as_bytes()));
        say("220 test\r\n");
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                break;
            }
            all.push_str(&line);
            match line.split([' ', '\r']).next().unwrap() {
                "EHLO" => say("250-test\r\n250 8BITMIME\r\n"),
                "RCPT" if line.contains("nobody") => say("550 no such user\r\n"),
                "DATA" => {
                    say("354 go on\r\n");
                    while !all.ends_with("\r\n.\r\n") {
                        reader.read_line(&mut all).unwrap();
                    }
                    say("250 taken\r\n");
                }
                "QUIT" => {
                    say("221 bye\r\n");
                    break;
                }
                _ => say("250 fine\r\n"),
            }
        }
        let _ = tell.send(all);
    });
    (port, got)
}

fn mail_to(to: &str, port: u16, message: &Message) -> Result<(), SendError> {
    let email = Email {
        host: "127.0.0.1".into(),
        port: Some(port),
        tls: Tls::None,
        login: None,
        from: "Alerts <alerts@example.com>".into(),
        to: vec![to.into()],
    };
    let channel = Channel { name: "mail".into(), kind: ChannelKind::Email(email) };
    send(&channel, message, NOW, Duration::from_secs(10), &AtomicBool::new(false))
}

#[test]
fn a_mail_arrives_and_no_name_in_it_becomes_a_header() {
    let (port, got) = server();
    let mut evil = notification("a3f", &[]);
    evil.rule = "x\r\nBcc: evil@example.com\r\n\r\nhello".into();
    evil.labels = vec![("user".into(), "\nBcc: evil@example.com\n.\nQUIT\n".into())];
    let item = Item { delivery: "a3f-1>\r\nBcc: evil".into(), notification: evil };
    let message = Message { channel: "mail".into(), items: vec![item], test: false };
    mail_to("Ops <ops@example.com>", port, &message).unwrap();
    let all = got.recv().unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("RCPT TO:<ops@example.com>"), "{head}");
    assert_eq!(head.matches("RCPT").count(), 1, "{head}");
    assert!(head.contains("From: Alerts <alerts@example.com>"), "{head}");
    assert!(head.contains("Message-ID: <a3f-1Bccevil@example.com>"), "{head}");
    assert!(head.contains("Date: Sun, 16 Nov 2025 19:15:00 +0000"), "{head}");
    assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
    assert_eq!(body.matches("\r\n.\r\n").count(), 1, "{body}");
}

#[test]
fn a_refused_receiver_is_the_reason() {
    let (port, _got) = server();
    let error = mail_to("nobody@example.com", port, &Message::test("mail", NOW)).unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1: the server answered 550");
    let error = mail_to("no address", port, &Message::test("mail", NOW)).unwrap_err();
    assert_eq!(error.to_string(), "'no address' is no mail address");
}

#[test]
fn a_mail_server_that_dribbles_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"2").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let email = Email {
        host: "127.0.0.1".into(),
        port: Some(port),
        tls: Tls::None,
        login: None,
        from: "a@example.com".into(),
        to: vec!["b@example.com".into()],
    };
    let channel = Channel { name: "mail".into(), kind: ChannelKind::Email(email) };
    let done = send(&channel, &Message::test("mail", NOW), NOW, SHORT, &AtomicBool::new(false));
    assert_eq!(done, Err(SendError::Timeout(SHORT)));
}

//! Receivers of HTTP that answer well, badly, slowly or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How it answers.
#[derive(Clone)]
pub(super) enum Manner {
    /// These bytes, then the end.
    Says(String),
    /// Nothing, ever.
    Nothing,
    /// A byte of headers now and then.
    Dribbles,
    /// 200 and a body without end.
    Huge,
}

impl Manner {
    pub(super) fn status(code: u16) -> Self {
        Self::Says(format!("HTTP/1.1 {code} x\r\ncontent-length: 4\r\n\r\noops"))
    }

    pub(super) fn redirect(code: u16, place: &str) -> Self {
        Self::Says(format!("HTTP/1.1 {code} x\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n"))
    }
}

/// What it got: the head of each request and its body.
pub(super) type Requests = Arc<Mutex<Vec<(String, String)>>>;

pub(super) struct Server {
    pub(super) url: String,
    pub(super) requests: Requests,
}

impl Server {
    pub(super) fn start(manner: Manner) -> Self {
        Self::each(move |_| manner.clone())
    }

    /// The manner for each path.
    pub(super) fn each(manner: impl Fn(&str) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Requests::default();
        let theirs = Arc::clone(&requests);
        let manner = Arc::new(manner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (theirs, manner) = (Arc::clone(&theirs), Arc::clone(&manner));
                std::thread::spawn(move || serve(stream, &theirs, &*manner));
            }
        });
        Self { url, requests }
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.requests.lock().unwrap().iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }
}

fn serve(stream: TcpStream, requests: &Requests, manner: &dyn Fn(&str) -> Manner) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |l| l.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    requests.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
    answer(stream, manner(&path));
}

fn answer(mut stream: TcpStream, manner: Manner) {
    match manner {
        Manner::Says(text) => drop(stream.write_all(text.as_bytes())),
        Manner::Nothing => drop(stream.read(&mut [0])),
        Manner::Dribbles => {
            for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Manner::Huge => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        }
    }
}

/// Waits until something holds.
#[expect(clippy::disallowed_methods, reason = "a deadline of the test's own")]
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

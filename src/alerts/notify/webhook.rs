//! Messages by HTTP POST: one limit of time for all of it, no redirect to another host, a signature.

use std::io::Read;
use std::time::Duration;

use ax_storage::clock::Stopwatch;
use ax_storage::time::Timestamp;
use ring::hmac;
use ureq::http::Uri;

use super::channel::{Webhook, origin};
use super::secret::Secret;
use super::send::SendError;
use crate::words::escaped;

/// Redirects within the host that are followed.
const REDIRECTS_MAX: usize = 3;
/// So much of a refusal is read and shown, in bytes; the rest of it, and any other body, is not.
const SAID_BYTES_MAX: u64 = 120;
/// When the body was signed, in seconds since 1970.
const TIME_HEADER: &str = "x-ax-timestamp";
/// `v1=` and the HMAC-SHA256 of `timestamp.body` in hex.
const SIGNATURE_HEADER: &str = "x-ax-signature";
const USER_AGENT: &str = concat!("ax-monitor/", env!("CARGO_PKG_VERSION"));

/// Posts `body` within `limit`.
///
/// # Errors
/// Anything but a 2xx answer, see [`SendError`].
pub(super) fn post(webhook: &Webhook, body: &str, now: Timestamp, limit: Duration) -> Result<(), SendError> {
    let watch = Stopwatch::start();
    let mut url = webhook.url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let rest = limit.saturating_sub(watch.elapsed()).max(Duration::from_millis(1));
        match once(webhook, &url, body, now, rest).map_err(|e| explain(&e, &url, limit))? {
            Answer::Taken => return Ok(()),
            Answer::Refused { code, said } => return Err(SendError::Status { code, said: shown(&said, webhook) }),
            Answer::Elsewhere(place) => url = same_host(&url, &place).ok_or(SendError::Redirect)?,
        }
    }
    Err(SendError::Redirect)
}

enum Answer {
    Taken,
    Refused {
        code: u16,
        said: Vec<u8>,
    },
    /// A redirect that keeps method and body.
    Elsewhere(String),
}

fn once(webhook: &Webhook, url: &Secret, body: &str, now: Timestamp, limit: Duration) -> Result<Answer, ureq::Error> {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .max_idle_connections(0);
    if is_here(url.reveal()) {
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config.build().into();
    let seconds = (now.millis() / 1000).to_string();
    let mut request = agent.post(url.reveal()).header("content-type", "application/json");
    if let Some(secret) = &webhook.secret {
        request = request.header(TIME_HEADER, &seconds).header(SIGNATURE_HEADER, signature(secret, &seconds, body));
    }
    let response = request.send(body)?;
    let code = response.status().as_u16();
    if (200..300).contains(&code) {
        return Ok(Answer::Taken);
    }
    if let (307 | 308, Some(place)) = (code, response.headers().get("location")) {
        return Ok(Answer::Elsewhere(String::from_utf8_lossy(place.as_bytes()).into_owned()));
    }
    let mut said = Vec::new();
    // Half a reason is better than none.
    let _ = response.into_body().into_reader().take(SAID_BYTES_MAX).read_to_end(&mut said);
    Ok(Answer::Refused { code, said })
}

/// The signature of a body that was sent at `seconds`.
fn signature(secret: &Secret, seconds: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(seconds.as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    let tag = context.sign();
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={hex}")
}

/// The place of a redirect as a URL, if it is at the same host.
fn same_host(from: &Secret, place: &str) -> Option<Secret> {
    let here = origin(from.reveal())?;
    if place.starts_with('/') && !place.starts_with("//") {
        return Some(Secret::new(format!("{here}{place}")));
    }
    (origin(place)? == here).then(|| Secret::new(place))
}

/// Whether a URL is at this machine, which no proxy need know.
fn is_here(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The begin of a refusal for people; nothing when it repeats what is secret.
fn shown(said: &[u8], webhook: &Webhook) -> String {
    let text = String::from_utf8_lossy(said);
    let text = text.trim();
    let url = webhook.url.reveal();
    let path = origin(url).and_then(|origin| url.get(origin.len()..)).unwrap_or(url);
    let secrets = path.split(['/', '?', '&', '=']).chain(webhook.secret.as_ref().map(Secret::reveal));
    if text.is_empty() || secrets.filter(|part| part.len() >= 4).any(|part| text.contains(part)) {
        return String::new();
    }
    format!(": {}", escaped(text))
}

/// An error in our own words: those of the library may hold the URL.
fn explain(error: &ureq::Error, url: &Secret, limit: Duration) -> SendError {
    let why = match error {
        ureq::Error::Timeout(_) => return SendError::Timeout(limit),
        ureq::Error::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => return SendError::Timeout(limit),
        ureq::Error::Io(cause) => crate::error::plain(cause),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::ConnectionFailed => "the connection failed".to_owned(),
        ureq::Error::Rustls(cause) => format!("TLS: {cause}"),
        ureq::Error::Tls(cause) => format!("TLS: {cause}"),
        ureq::Error::Protocol(_) => "the answer is no HTTP".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "the headers of the answer are too long".to_owned(),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => "the proxy refused".to_owned(),
        _ => "the request failed".to_owned(),
    };
    SendError::Unreachable { host: origin(url.reveal()).unwrap_or("the receiver").to_owned(), why: escaped(&why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_every_other_program() {
        // printf '1763320500.{"a":1}' | openssl dgst -sha256 -hmac hunter2
        let found = signature(&Secret::new("hunter2"), "1763320500", "{\"a\":1}");
        assert_eq!(found, "v1=3a5991145c94a8791f98fa349015069cf158cda76b95a9410607a8922e424c49");
    }

    #[test]
    fn redirects_stay_at_scheme_host_and_port() {
        let from = Secret::new("https://h:8443/a?k=1");
        for (place, to) in [
            ("/b", Some("https://h:8443/b")),
            ("https://h:8443/c", Some("https://h:8443/c")),
            ("https://h/c", None),
            ("http://h:8443/c", None),
            ("https://h:8443@evil/c", None),
            ("//evil/c", None),
            ("https://h:8443.evil/", None),
            ("c", None),
        ] {
            assert_eq!(same_host(&from, place).as_ref().map(Secret::reveal), to, "{place}");
        }
    }

    #[test]
    fn an_answer_that_repeats_a_secret_is_not_shown() {
        let webhook = Webhook {
            url: Secret::new("https://h/services/T0KEY9"),
            format: Default::default(),
            secret: Some(Secret::new("hunter2")),
        };
        assert_eq!(shown(b" invalid_payload\n", &webhook), ": invalid_payload");
        assert_eq!(shown(b"no /services/T0KEY9 here", &webhook), "");
        assert_eq!(shown(b"key hunter2 is wrong", &webhook), "");
        assert_eq!(shown(b"\x1b[2J\xff", &webhook), ": \\u{1b}[2J\u{fffd}");
    }
}

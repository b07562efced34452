//! Messages by mail over SMTP.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use ax_storage::time::Timestamp;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as LettreTls, TlsParameters};
use lettre::{SmtpTransport, Transport};

use super::channel::{Email, Tls};
use super::message::Message;
use super::send::SendError;
use super::text;
use crate::words::escaped;

/// Sends one mail within `limit`.
///
/// # Errors
/// An address or server that is wrong, a refusal, or time.
pub(super) fn send(email: &Email, message: &Message, now: Timestamp, limit: Duration) -> Result<(), SendError> {
    let mail = mail(email, message, now)?;
    let transport = transport(email, limit)?;
    // The library limits each read, not all of them: a server that dribbles could hold us for ever.
    let (tell, done) = mpsc::channel();
    std::thread::Builder::new()
        .name("ax-mail".into())
        .spawn(move || {
            let _ = tell.send(transport.send(&mail).map(|_| ()));
        })
        .map_err(|e| SendError::Mail(format!("cannot start a thread: {}", crate::error::plain(&e))))?;
    match done.recv_timeout(limit) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is_timeout() => Err(SendError::Timeout(limit)),
        Ok(Err(error)) => Err(SendError::Mail(format!("{}: {}", escaped(&email.host), explain(&error)))),
        Err(_) => Err(SendError::Timeout(limit)),
    }
}

/// Whether a mail can be sent from and to these addresses.
///
/// # Errors
/// The address that is none.
pub fn check_address(address: &str) -> Result<(), String> {
    mailbox(address).map(|_| ()).map_err(|e| e.to_string())
}

fn mailbox(address: &str) -> Result<Mailbox, SendError> {
    address.parse().map_err(|_| SendError::Mail(format!("'{}' is no mail address", escaped(address))))
}

/// The mail. Every text that comes from names was escaped: a header cannot end before its time.
fn mail(email: &Email, message: &Message, now: Timestamp) -> Result<lettre::Message, SendError> {
    let from = mailbox(&email.from)?;
    let id = message.items.first().map_or("none", |item| item.delivery.as_str());
    let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mut builder = lettre::Message::builder()
        // The same at every try, so that mail programs show a repeat once.
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(now.millis()))
        .subject(text::subject(message))
        .from(from);
    for to in &email.to {
        builder = builder.to(mailbox(to)?);
    }
    let mut body = text::lines(message).join("\n");
    body.push_str("\n\nSent by ax monitor. `ax monitor alerts show ID` tells more.\n");
    builder.body(body).map_err(|_| SendError::Mail("the mail cannot be built".to_owned()))
}

fn transport(email: &Email, limit: Duration) -> Result<SmtpTransport, SendError> {
    let tls = || {
        TlsParameters::new(email.host.clone())
            .map_err(|_| SendError::Mail(format!("'{}' is no host name", escaped(&email.host))))
    };
    let (tls, port) = match email.tls {
        Tls::Starttls => (LettreTls::Required(tls()?), 587),
        Tls::Tls => (LettreTls::Wrapper(tls()?), 465),
        Tls::None => (LettreTls::None, 25),
    };
    let mut builder = SmtpTransport::builder_dangerous(email.host.as_str())
        .port(email.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(limit));
    if let Some((user, password)) = &email.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    Ok(builder.build())
}

/// The library's words, without what the server may repeat of a login.
fn explain(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the server answered {code}"),
        None => escaped(&error.to_string()),
    }
}

//! What receivers read: the JSON of Alertmanager with more in it, the forms of Slack and Discord.

use ax_storage::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::channel::Format;
use super::message::{Item, Message};
use super::text;
use crate::alerts::{Notification, Severity, Told};
use crate::metric::Number;
use crate::words::visible_json;

/// Longest text of a chat message: Discord refuses 2,000 characters, Slack cuts at 40,000.
const CHAT_CHARS_MAX: usize = 1_900;
/// How Alertmanager writes an end that is not there yet.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// The body of a webhook, or of a command's stdin. Receivers print it into logs, so nothing in it is hidden.
pub fn body(message: &Message, format: Format) -> String {
    visible_json(match format {
        Format::Alertmanager => alertmanager(message),
        Format::Slack => slack(message).to_string(),
        Format::Discord => discord(message).to_string(),
    })
}

/// A message as Alertmanager 4 sends it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alertmanager<'m> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u32,
    status: &'static str,
    receiver: &'m str,
    group_labels: Map<String, Value>,
    common_labels: Map<String, Value>,
    common_annotations: Map<String, Value>,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    test: bool,
    alerts: Vec<Alert<'m>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'m> {
    status: &'static str,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: &'m str,
    id: &'m str,
    delivery: &'m str,
    value: Option<Number>,
    threshold: Option<Number>,
    unit: &'m str,
    condition: &'m str,
    reason: Option<&'m str>,
}

fn alertmanager(message: &Message) -> String {
    let alerts: Vec<Alert<'_>> =
        message.items.iter().zip(text::lines(message)).map(|(i, line)| alert(i, line)).collect();
    let body = Alertmanager {
        version: "4",
        group_key: format!("{{}}:{{channel={:?}}}", message.channel),
        truncated_alerts: 0,
        status: message.state(),
        receiver: &message.channel,
        group_labels: Map::new(),
        common_labels: common(alerts.iter().map(|a| &a.labels)),
        common_annotations: common(alerts.iter().map(|a| &a.annotations)),
        external_url: "",
        test: message.test,
        alerts,
    };
    serde_json::to_string(&body).expect("plain data becomes JSON")
}

fn alert(item: &Item, summary: String) -> Alert<'_> {
    let n = &item.notification;
    let mut annotations = Map::new();
    annotations.insert("summary".into(), summary.into());
    annotations.insert("description".into(), n.condition.clone().into());
    let ends = match n.state {
        Told::Resolved => Timestamp::from_millis(n.at_ms).to_string(),
        Told::Firing | Told::Reminder => NO_END.to_owned(),
    };
    Alert {
        status: n.state.word(),
        labels: labels(n),
        annotations,
        starts_at: Timestamp::from_millis(n.since_ms).to_string(),
        ends_at: ends,
        generator_url: "",
        fingerprint: &n.id,
        id: &n.id,
        delivery: &item.delivery,
        value: n.value,
        threshold: n.threshold,
        unit: &n.unit,
        condition: &n.condition,
        reason: n.reason.as_deref(),
    }
}

fn labels(n: &Notification) -> Map<String, Value> {
    let mut labels = Map::new();
    for (name, value) in &n.labels {
        labels.insert(name.clone(), value.clone().into());
    }
    labels.insert("alertname".into(), n.rule.clone().into());
    labels.insert("severity".into(), n.severity.word().into());
    labels
}

/// What all of them say alike.
fn common<'m>(mut all: impl Iterator<Item = &'m Map<String, Value>>) -> Map<String, Value> {
    let mut common = all.next().cloned().unwrap_or_default();
    for other in all {
        common.retain(|key, value| other.get(key) == Some(value));
    }
    common
}

/// Red, yellow, blue; green when all is over.
fn color(message: &Message) -> u32 {
    match (message.state(), message.severity()) {
        ("resolved", _) => 0x2e_a0_43,
        (_, Severity::Critical) => 0xd1_24_2f,
        (_, Severity::Warning) => 0xd2_99_22,
        (_, Severity::Info) => 0x38_8b_fd,
    }
}

fn slack(message: &Message) -> Value {
    let text = chat_text(message, |line| line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    let color = format!("#{:06x}", color(message));
    let fallback = text::subject(message);
    json!({"text": chat_escape_slack(&fallback), "attachments": [{"color": color, "text": text}]})
}

fn chat_escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn discord(message: &Message) -> Value {
    let text = chat_text(message, |line| escape_markdown(&line));
    // No name in a label may call everybody.
    json!({
        "content": escape_markdown(&text::subject(message)),
        "embeds": [{"description": text, "color": color(message)}],
        "allowed_mentions": {"parse": []},
    })
}

fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '_' | '~' | '`' | '|' | '>' | '\\' | '[' | ']' | '#') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A line an alert, as many as fit.
fn chat_text(message: &Message, escape: impl Fn(String) -> String) -> String {
    let lines = text::lines(message);
    let mut out = String::new();
    let mut chars = 0;
    for (at, line) in lines.iter().enumerate() {
        let line = escape(line.clone());
        chars += line.chars().count() + 1;
        if chars > CHAT_CHARS_MAX && at > 0 {
            out.push_str(&format!("and {} more", lines.len() - at));
            break;
        }
        out.extend(line.chars().take(CHAT_CHARS_MAX));
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: Told) -> Message {
        let notification = Notification {
            id: "a3f91c".into(),
            rule: "openai-latency".into(),
            labels: vec![("provider".into(), "open<ai>&\n@everyone".into())],
            severity: Severity::Critical,
            state,
            value: Some(Number::Float(2150.0)),
            threshold: Some(Number::Float(2000.0)),
            unit: "ms".into(),
            condition: "latency p95 > 2s for 5m".into(),
            since_ms: 1_763_320_500_000,
            at_ms: 1_763_320_800_000,
            reason: None,
            channels: vec!["ops".into()],
        };
        let item = Item { delivery: "a3f91c-1".into(), notification };
        Message { channel: "ops".into(), items: vec![item], test: false }
    }

    #[test]
    fn receivers_of_alertmanager_find_what_they_know_and_more() {
        let text = body(&message(Told::Firing), Format::Alertmanager);
        let expected = concat!(
            r#"{"version":"4","groupKey":"{}:{channel=\"ops\"}","truncatedAlerts":0,"status":"firing","receiver":"ops","#,
            r#""groupLabels":{},"commonLabels":{"alertname":"openai-latency","provider":"open<ai>&\n@everyone","severity":"critical"},"#,
            r#""commonAnnotations":{"description":"latency p95 > 2s for 5m","summary":"FIRING critical: openai-latency "#,
            r#"(provider=open<ai>&\\n@everyone) · 2.15 s (limit 2.00 s) · latency p95 > 2s for 5m · a3f91c"},"#,
            r#""externalURL":"","test":false,"alerts":[{"status":"firing","#,
            r#""labels":{"alertname":"openai-latency","provider":"open<ai>&\n@everyone","severity":"critical"},"#,
            r#""annotations":{"description":"latency p95 > 2s for 5m","summary":"FIRING critical: openai-latency "#,
            r#"(provider=open<ai>&\\n@everyone) · 2.15 s (limit 2.00 s) · latency p95 > 2s for 5m · a3f91c"},"#,
            r#""startsAt":"2025-11-16T19:15:00.000Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"a3f91c","#,
            r#""id":"a3f91c","delivery":"a3f91c-1","value":2150.0,"threshold":2000.0,"unit":"ms","condition":"latency p95 > 2s for 5m","#,
            r#""reason":null}]}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn an_end_has_a_time_and_a_message_is_resolved_when_all_of_it_is() {
        let value = |m: &Message| serde_json::from_str::<Value>(&body(m, Format::Alertmanager)).unwrap();
        let mut both = message(Told::Resolved);
        assert_eq!(value(&both)["status"], "resolved");
        assert_eq!(value(&both)["alerts"][0]["endsAt"], "2025-11-16T19:20:00.000Z");
        both.items.extend(message(Told::Reminder).items);
        assert_eq!(value(&both)["status"], "firing");
        assert_eq!(value(&both)["alerts"][1]["status"], "firing");
        assert_eq!(value(&both)["commonAnnotations"], json!({"description": "latency p95 > 2s for 5m"}));
    }

    #[test]
    fn names_in_chats_are_text_and_call_nobody() {
        let slack = body(&message(Told::Firing), Format::Slack);
        assert!(slack.contains("open&lt;ai&gt;&amp;\\\\n@everyone"), "{slack}");
        let discord: Value = serde_json::from_str(&body(&message(Told::Firing), Format::Discord)).unwrap();
        assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
        assert!(discord["content"].as_str().unwrap().contains("open<ai\\>&\\\\n@everyone"), "{discord}");
    }

    #[test]
    fn a_chat_message_is_bounded_and_says_how_many_are_left_out() {
        let mut many = message(Told::Firing);
        let item = many.items[0].clone();
        many.items = (0..100).map(|_| item.clone()).collect();
        let discord: Value = serde_json::from_str(&body(&many, Format::Discord)).unwrap();
        let text = discord["embeds"][0]["description"].as_str().unwrap();
        assert!(text.chars().count() < 2000, "{}", text.len());
        let shown = text.lines().count() - 1;
        assert!(text.ends_with(&format!("and {} more", 100 - shown)), "{text}");
    }
}

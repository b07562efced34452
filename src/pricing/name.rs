//! Names of models and providers as price lists know them.
//!
//! ```text
//! us.anthropic.claude-sonnet-4-5-20250929-v1:0 ─► claude-sonnet-4-5-20250929-v1-0 ─► claude-sonnet-4-5
//! ```
//! A name is looked up whole first, then without one part after another at its end, as long as the
//! part only dates or numbers a release. `gpt-4` thus never stands in for a `gpt-4-vision` or a
//! `gpt-4.9` that no price is known for.

/// Makers whose names stand before a model's in other providers' catalogues, with a dot.
const MAKERS: [&str; 6] = ["anthropic.", "meta.", "mistral.", "amazon.", "cohere.", "deepseek."];

/// A model's name in lower case, without path and region before it, with `-` between its parts.
pub fn normalized(model: &str) -> String {
    bare(&model.trim().to_ascii_lowercase()).replace(['.', '@', ':', '_', ' '], "-")
}

/// A name in lower case without path and region before it.
pub(super) fn bare(lower: &str) -> &str {
    let name = lower.rsplit('/').next().unwrap_or(lower);
    // A fine-tuned model is its base with the names of whose it is behind: ft:gpt-4o-2024-08-06:org::id.
    let name = match name.strip_prefix("ft:").and_then(|base| base.find(':')) {
        Some(end) => &name[.."ft:".len() + end],
        None => name,
    };
    MAKERS.iter().fold(name, |name, maker| name.split_once(maker).map_or(name, |(_, rest)| rest))
}

/// The provider whose prices hold for calls to `provider`: names differ, prices do not.
pub fn price_provider(provider: &str) -> String {
    let name = provider.trim().to_ascii_lowercase();
    match name.as_str() {
        "claude" => "anthropic".to_owned(),
        "gemini" | "vertex" | "vertexai" | "vertex_ai" | "google-vertex" | "google_ai" => "google".to_owned(),
        "x-ai" | "grok" => "xai".to_owned(),
        "mistralai" | "mistral_ai" => "mistral".to_owned(),
        _ => name,
    }
}

/// The name and all shorter ones that mean the same model, longest first.
pub fn candidates(name: &str) -> impl Iterator<Item = &str> {
    let mut next = Some(name);
    std::iter::from_fn(move || {
        let this = next?;
        next = without_release(this, &name[this.len()..]);
        Some(this)
    })
}

/// `name` without its last part, when that only tells a release; `cut` is what followed it.
fn without_release<'a>(name: &'a str, cut: &str) -> Option<&'a str> {
    let (before, part) = name.rsplit_once('-')?;
    let previous = before.rsplit('-').next().unwrap_or_default();
    let following = cut.trim_start_matches('-').split('-').next().unwrap_or_default();
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    let version = |text: &str| text.strip_prefix('v').is_some_and(|n| digits(n, 1));
    let tells_release = match part {
        "latest" | "preview" | "exp" | "experimental" => true,
        // v1:0
        "0" => version(previous),
        _ if version(part) => true,
        // Day and month: 05-06, 2025-05-06, 09-2025.
        _ if digits(part, 2) => digits(previous, 2) || digits(following, 2) || digits(following, 4),
        _ => [3, 4, 6, 8].iter().any(|n| digits(part, *n)),
    };
    (tells_release && !before.is_empty()).then_some(before)
}

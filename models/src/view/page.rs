//! The page: one HTML text with its styles, scripts and data in it, and nothing from anywhere else.
//!
//! What people and models said goes into it as JSON in which no tag can stand, and out of it as text nodes alone. A
//! policy with a name drawn for each page lets no other script or style run.

use serde::Serialize;
use serde_json::json;

use super::contents::Contents;
use crate::error::{Error, Result};
use crate::evaluation::SideBySide;
use crate::record::ConversationTree;

const FRAME: &str = include_str!("page/frame.html");
const STYLES: &[&str] = &[
    include_str!("page/base.css"),
    include_str!("page/sections.css"),
    include_str!("page/training.css"),
    include_str!("page/benchmark.css"),
];

/// In the order in which they are run: what is used before who uses it, `app.js` last.
const SCRIPTS: &[&str] = &[
    include_str!("page/dom.js"),
    include_str!("page/source.js"),
    include_str!("page/charts.js"),
    include_str!("page/overview.js"),
    include_str!("page/pool.js"),
    include_str!("page/conversations.js"),
    include_str!("page/rate.js"),
    include_str!("page/cost.js"),
    include_str!("page/training.js"),
    include_str!("page/benchmark.js"),
    include_str!("page/app.js"),
];

/// Those of a page that shows runs of the benchmark and no run of the pipeline.
const BENCHMARK_SCRIPTS: &[&str] = &[
    include_str!("page/dom.js"),
    include_str!("page/source.js"),
    include_str!("page/charts.js"),
    include_str!("page/benchmark.js"),
    include_str!("page/app.js"),
];

/// Where the page gets conversations from.
pub(crate) enum Mode<'a> {
    /// Out of itself: by place, the first ones.
    File(Vec<ConversationTree>),
    /// From the server, which knows it by this token.
    Served { token: &'a str },
}

/// The whole page; `nonce` is drawn for it alone.
pub(crate) fn page(contents: &Contents<'_>, mode: &Mode<'_>, nonce: &str) -> Result<String> {
    let (trees, token) = match mode {
        Mode::File(trees) => (Some(trees), None),
        Mode::Served { token } => (None, Some(token)),
    };
    let data = embedded(&json!({ "contents": contents, "trees": trees, "token": token }))?;
    filled(&data, SCRIPTS, token.is_some(), nonce)
}

/// A page of the benchmark alone, as a file.
pub(crate) fn benchmark_page(benchmark: &SideBySide, nonce: &str) -> Result<String> {
    let contents = json!({ "run": "ALOE benchmark", "benchmark": benchmark });
    let data = embedded(&json!({ "contents": contents, "trees": [], "token": null }))?;
    filled(&data, BENCHMARK_SCRIPTS, false, nonce)
}

fn filled(data: &str, scripts: &[&str], served: bool, nonce: &str) -> Result<String> {
    let parts = [
        ("{{nonce}}", nonce.to_owned()),
        ("{{policy}}", policy(nonce, served)),
        ("{{styles}}", STYLES.concat()),
        ("{{scripts}}", scripts.concat()),
        ("{{data}}", data.to_owned()),
    ];
    // One pass, so that nothing which looks like a mark is looked for in what was put in.
    let mut page = String::new();
    let mut rest = FRAME;
    while let Some(start) = rest.find("{{") {
        page.push_str(&rest[..start]);
        rest = &rest[start..];
        let (mark, text) = parts
            .iter()
            .find(|(mark, _)| rest.starts_with(mark))
            .ok_or_else(|| Error::internal("the page's frame has an unknown mark"))?;
        page.push_str(text);
        rest = &rest[mark.len()..];
    }
    page.push_str(rest);
    Ok(page)
}

/// What the page may do; a file asks nobody for anything.
pub(super) fn policy(nonce: &str, served: bool) -> String {
    let connect = if served { "'self'" } else { "'none'" };
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
         connect-src {connect}; base-uri 'none'; form-action 'none'"
    )
}

/// JSON that is safe inside a script element, whatever its strings say.
fn embedded<T: Serialize>(value: &T) -> Result<String> {
    let text = serde_json::to_string(value).map_err(Error::internal)?;
    let safe = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    Ok(text.chars().map(safe).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_string_can_end_the_script_that_holds_it() {
        let hostile = "</script><img src=x onerror=alert(1)> <!-- {{scripts}} \u{2028}";
        let text = embedded(&json!({ "said": hostile })).expect("embedded");
        assert!(!text.contains(['<', '>', '&', '\u{2028}']), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).expect("still JSON");
        assert_eq!(back["said"], hostile);
    }

    #[test]
    fn text_reaches_the_page_as_text_alone_and_nothing_is_fetched_from_elsewhere() {
        for script in SCRIPTS {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!script.contains(way), "{way}");
            }
        }
        // The one address is the name of SVG's namespace.
        assert_eq!(SCRIPTS.concat().matches("://").count(), 1);
        assert!(STYLES.iter().all(|style| !style.contains("url(") && !style.contains("@import")));
    }
}

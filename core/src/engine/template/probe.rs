//! Tries a template with small conversations and notes what comes of it.

use super::capabilities::Capabilities;
use super::chat_template::{ChatTemplate, RenderOptions};
use super::segment::Segment;
use crate::message::{Message, Role};

use Role::{Assistant, System, User};

/// Finds out what a template can do; an `Err` says why it is of no use.
pub(super) fn probe(template: &mut ChatTemplate) -> Result<(), String> {
    let accepts = |template: &ChatTemplate, roles: &[Role]| template.try_render(&conversation(roles), PROMPT).is_ok();
    template.try_render(&conversation(&[User]), PROMPT)?;
    template.try_render(&conversation(&[User, Assistant, User]), PROMPT)?;
    let found = Capabilities {
        leading_system: [&[System, User][..], &[System, User, Assistant, User]].iter().all(|r| accepts(template, r)),
        inner_system: [
            &[System, System, User][..],
            &[User, Assistant, System, User],
            &[System, User, Assistant, System, User, Assistant, User],
        ]
        .iter()
        .all(|roles| accepts(template, roles)),
        repeated_roles: accepts(template, &[User, User]) && accepts(template, &[User, Assistant, Assistant, User]),
        assistant_first: accepts(template, &[Assistant, User]),
        trims_system: trims(template, System),
        trims_user: trims(template, User),
        prefix_stable: false,
    };
    template.gap = gap(template);
    template.capabilities = found;
    template.capabilities.prefix_stable = is_prefix_stable(template);
    Ok(())
}

const PROMPT: RenderOptions = RenderOptions { generation_prompt: true, date: None };

fn conversation(roles: &[Role]) -> Vec<Message> {
    roles.iter().map(|&role| Message { role, content: "x".into() }).collect()
}

/// Whether padding around a content is cut: the template is shown padded sentinels.
fn trims(template: &ChatTemplate, padded: Role) -> bool {
    let roles = [System, User, Assistant, User];
    let roles = if template.try_render(&conversation(&roles), PROMPT).is_ok() { &roles[..] } else { &roles[1..] };
    let render = |padding: &str| {
        let pad = |role: &Role| if *role == padded { padding.to_owned() } else { String::new() };
        template.render_padded(roles, pad).ok()
    };
    render("  ").is_some_and(|with| render("").is_some_and(|without| with == without))
}

/// White space that the template puts between its generation prompt and a reply: a model that is asked writes its
/// own, so that a reply which is put back must not get it a second time.
fn gap(template: &ChatTemplate) -> String {
    let asked = template.try_render(&conversation(&[User]), PROMPT);
    let answered = template.try_render(&conversation(&[User, Assistant]), RenderOptions::default());
    let (Ok(asked), Ok(answered)) = (asked, answered) else { return String::new() };
    let prompt = match asked.last() {
        Some(Segment::Control(text)) => text.as_str(),
        _ => "",
    };
    let before = answered.iter().rev().skip_while(|segment| !matches!(segment, Segment::Content { .. })).nth(1);
    match before {
        Some(Segment::Control(text)) => text.strip_prefix(prompt).filter(|gap| gap.trim().is_empty()).unwrap_or(""),
        _ => "",
    }
    .to_owned()
}

fn is_prefix_stable(template: &ChatTemplate) -> bool {
    let starts: [&[Role]; 5] = [
        &[User],
        &[System, User],
        &[User, Assistant, User],
        &[System, User, Assistant, User],
        &[System, User, Assistant, System, User],
    ];
    starts.iter().all(|roles| {
        let longer = [roles, &[Assistant, User][..]].concat();
        let short = template.render(&conversation(roles), PROMPT);
        let long = template.render(&conversation(&longer), PROMPT);
        matches!((short, long), (Ok(short), Ok(long)) if long.starts_with(&short))
    })
}

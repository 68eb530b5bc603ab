//! Which template a model gets, and what becomes of templates that cannot be used.

use std::io::Cursor;
use std::path::Path;

use aloekit::Error;
use aloekit::engine::gguf::Header;
use aloekit::engine::template::{BuiltIn, ChatTemplate, TemplateSource};
use aloekit_tests::tiny_model::{CHATML, TinyModel, Tokenizer};

fn header(chat_template: Option<&str>) -> Header {
    let tiny = TinyModel { chat_template: chat_template.map(String::from), ..TinyModel::default() };
    let bytes = tiny.build().to_bytes();
    Header::from_reader(Cursor::new(&bytes), bytes.len() as u64, Path::new("tiny.gguf")).expect("a sound model")
}

#[test]
fn the_models_own_template_goes_before_a_built_in_and_the_apps_before_it() {
    let with = header(Some(CHATML));
    assert_eq!(TemplateSource::choose(&with, None).expect("one"), TemplateSource::Model(CHATML.into()));
    let named = TemplateSource::choose(&with, Some("chatml")).expect("one");
    assert_eq!(named, TemplateSource::Named(BuiltIn::ChatMl));
    let given = TemplateSource::choose(&with, Some("{{ 'x' }}")).expect("one");
    assert_eq!(given, TemplateSource::App("{{ 'x' }}".into()));
    for wrong in ["gemma", "llama3", "", "none"] {
        let refused = TemplateSource::choose(&with, Some(wrong));
        assert!(matches!(refused, Err(Error::InvalidInput { what: "chat_template", .. })), "{wrong}");
    }
}

#[test]
fn a_model_without_a_template_gets_chatml_only_if_it_has_its_tokens() {
    for empty in [None, Some(""), Some(" \n")] {
        assert_eq!(
            TemplateSource::choose(&header(empty), None).expect("one"),
            TemplateSource::Default(BuiltIn::ChatMl)
        );
    }
    let mut file =
        TinyModel { tokenizer: Tokenizer::SentencePiece, chat_template: None, ..TinyModel::default() }.build();
    for (_, value) in &mut file.metadata {
        if let aloekit_tests::gguf_writer::MetaValue::Texts(tokens) = value {
            tokens.iter_mut().filter(|token| *token == "<|im_end|>").for_each(|token| *token = "<|other|>".into());
        }
    }
    let bytes = file.to_bytes();
    let other = Header::from_reader(Cursor::new(&bytes), bytes.len() as u64, Path::new("m")).expect("a sound model");
    assert_eq!(TemplateSource::choose(&other, None).expect("one"), TemplateSource::Default(BuiltIn::Plain));
    assert!(ChatTemplate::for_model(&other, None, Path::new("m")).is_ok());
}

#[test]
fn templates_that_lose_move_or_repeat_words_are_incompatible() {
    for useless in [
        "",
        "hello",
        "{{ messages[-1].content }}",
        "{% for m in messages | reverse %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{% for m in messages %}{{ m.content[:4] }}{% endfor %}",
        "{{ raise_exception('never') }}",
        "{% if %}",
    ] {
        let made = ChatTemplate::new(&TemplateSource::App(useless.into()), "", "", Path::new("m.gguf"));
        assert!(matches!(made, Err(Error::ModelIncompatible { .. })), "{useless:?}");
    }
}

#[test]
fn hostile_templates_are_incompatible_in_bounded_time() {
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    for hostile in [
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in range(1000000000) %}{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000000 }}",
        "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x ~ '' }}",
        &nested,
    ] {
        let start = std::time::Instant::now();
        let text = format!("{hostile}{CHATML}");
        let made = ChatTemplate::new(&TemplateSource::App(text), "", "", Path::new("m.gguf"));
        assert!(matches!(made, Err(Error::ModelIncompatible { .. })), "{hostile}");
        assert!(start.elapsed().as_secs() < 5, "{hostile}: {:?}", start.elapsed());
    }
}

//! Runs a template as the untrusted code it is: bounded in time, memory, output and depth, on a stack of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::thread;

use minijinja::machinery::{Instructions, eval, make_string_output};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::bounded;
use super::date::CivilDate;

/// The longest templates in use are some 20 KiB.
const MAX_SOURCE_BYTES: usize = 64 << 10;
/// Steps of one rendering, each worth up to 64 bytes of memory: 6,000 messages take about as many, and a template
/// that never ends is stopped after some 50 ms.
const FUEL: u64 = 300_000;
const MAX_OUTPUT_BYTES: usize = 4 << 20;
/// Reserved, not used: pages are only taken as deep as a template recurses.
const STACK_BYTES: usize = 16 << 20;
const MAX_INDENT: usize = 32;
const MAX_INDENTED_BYTES: usize = 64 << 10;
const NAME: &str = "chat_template";

/// A template that can do nothing but turn values into text.
#[derive(Debug)]
pub(super) struct Sandbox {
    /// Compiled anew for each rendering, some 50 µs per KiB: compiled templates borrow their source.
    source: String,
    environment: Environment<'static>,
}

/// What a template is told.
pub(super) struct Context<'a> {
    /// Role and content of each message.
    pub(super) messages: &'a [(&'a str, String)],
    pub(super) generation_prompt: bool,
    pub(super) bos: &'a str,
    pub(super) eos: &'a str,
    pub(super) date: Option<CivilDate>,
}

impl Sandbox {
    /// Checks that a template compiles; an `Err` says why it cannot be used.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(format!("the chat template is {} bytes long, {MAX_SOURCE_BYTES} are allowed", source.len()));
        }
        let sandbox = Self { source: without_generation_marks(source), environment: environment()? };
        on_own_stack(|| sandbox.compile().map(drop))?;
        Ok(sandbox)
    }

    pub(super) fn render(&self, context: &Context<'_>) -> Result<String, String> {
        on_own_stack(|| {
            let instructions = self.compile()?;
            let (values, blocks) = (context.values(), BTreeMap::new());
            let mut text = String::new();
            let mut output = make_string_output(&mut text);
            eval(&self.environment, &instructions, values, &blocks, &mut output, AutoEscape::None)
                .map_err(|e| describe(&e))?;
            drop(output);
            match text.len() {
                ..=MAX_OUTPUT_BYTES => Ok(text),
                _ => Err("the chat template writes without end".into()),
            }
        })
    }

    fn compile(&self) -> Result<Instructions<'_>, String> {
        bounded::compile(NAME, &self.source, self.environment.syntax())
    }
}

impl Context<'_> {
    fn values(&self) -> Value {
        let message = |(role, content): &(&str, String)| {
            Value::from_pairs([("role", Value::from(*role)), ("content", Value::from(content.as_str()))])
        };
        let mut values = BTreeMap::from([
            ("messages", self.messages.iter().map(message).collect::<Value>()),
            ("add_generation_prompt", Value::from(self.generation_prompt)),
            ("bos_token", Value::from(self.bos)),
            ("eos_token", Value::from(self.eos)),
        ]);
        if let Some(date) = self.date {
            values.insert("strftime_now", Value::from_function(move |form: Cow<'_, str>| date.format(&form)));
        }
        Value::from_pairs(values)
    }
}

fn environment() -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    // As Hugging Face's own environment is set, which templates are written for.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(|e| describe(&e))?;
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(method);
    // They fill or pad to a length they are given before they count what they make.
    ["format", "batch", "slice", "pprint"].iter().for_each(|filter| environment.remove_filter(filter));
    environment.add_filter("indent", indent);
    environment.add_function("raise_exception", |message: Cow<'_, str>| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.into_owned()))
    });
    environment.add_function("range", range);
    environment.remove_global("debug");
    bounded::add_checks(&mut environment);
    environment.add_filter("tojson", to_json);
    Ok(environment)
}

/// The methods that Python's values have, but for `format` with a width: it pads before it counts what it makes.
fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    if name == "format" && value.as_str().is_some_and(|form| form.contains(':')) {
        return Err(Error::new(ErrorKind::UnknownMethod, "str.format with a format specification"));
    }
    unknown_method_callback(state, value, name, arguments)
}

/// The library's own range asserts on bounds near the ends of the integers.
fn range(first: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    const MAX_ELEMENTS: u64 = 10_000;
    let (start, end) = end.map_or((0, first), |end| (first, end));
    let step = step.unwrap_or(1);
    let (low, high) = if step < 0 { (end, start) } else { (start, end) };
    let count = if low < high { low.abs_diff(high).div_ceil(step.unsigned_abs().max(1)) } else { 0 };
    if step == 0 || count > MAX_ELEMENTS {
        return Err(Error::new(ErrorKind::InvalidOperation, "range() without end"));
    }
    Ok((0..count as i64).map(|index| Value::from(start.wrapping_add(index.wrapping_mul(step)))).collect())
}

/// The library's own filter escapes for HTML, which the prompts that models were trained on do not.
///
/// Of the options that Hugging Face's filter knows only `indent` changes the output here.
fn to_json(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let indent = match indent {
        Some(width) => Some(width),
        None => options.get::<Option<Value>>("indent")?,
    };
    let indent = indent.filter(|width| !width.is_none());
    if indent.as_ref().is_some_and(|width| width.as_usize().is_none_or(|width| width > MAX_INDENT)) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson with an indent too wide"));
    }
    let escaped = minijinja::filters::tojson(value, indent, Kwargs::from_iter::<[(&str, Value); 0]>([]))?;
    let text = escaped.as_str().unwrap_or_default();
    let plain = [("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ("\\u0027", "'")];
    Ok(Value::from(plain.iter().fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))))
}

fn indent(text: Cow<'_, str>, width: Option<usize>, first: Option<bool>, options: Kwargs) -> Result<String, Error> {
    let width = width.or(options.get("width")?).unwrap_or(4);
    let first = first.or(options.get("first")?).unwrap_or(false);
    if width > MAX_INDENT || text.len() > MAX_INDENTED_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "indent too wide"));
    }
    let margin = " ".repeat(width);
    let indented = text.replace('\n', &format!("\n{margin}"));
    Ok(if first { margin + &indented } else { indented })
}

/// Marks for training masks, `{% generation %}`, stand for nothing in a prompt.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        let (inner, after) = tag.split_once("%}").unwrap_or((tag, ""));
        let replaced = match inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
            "generation" => inner.replace("generation", "if true"),
            "endgeneration" => inner.replace("endgeneration", "endif"),
            _ => inner.to_owned(),
        };
        let close = if inner.len() < tag.len() { "%}" } else { "" };
        out.extend([before, "{%", &replaced, close]);
        rest = after;
    }
    out + rest
}

/// The kind and the place of an error; its message only where the template itself raised it.
pub(super) fn describe(error: &Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail: String = error.detail().unwrap_or_default().chars().take(120).flat_map(char::escape_default).collect();
    format!("the chat template fails{line}: {} ({detail})", error.kind())
}

/// Recursion in a template must meet the limits of the library before it meets the end of the stack, whichever
/// thread asks: on phones some have 512 KiB.
fn on_own_stack<T: Send>(run: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(NAME.into()).stack_size(STACK_BYTES);
        let run = AssertUnwindSafe(run);
        let handle = builder.spawn_scoped(scope, move || std::panic::catch_unwind(|| { run }.0()));
        match handle.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(Ok(result))) => result,
            Ok(_) => Err("the chat template made its interpreter panic".into()),
            Err(e) => Err(format!("no thread for the chat template: {e}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, String> {
        let messages = [("user", "hello".to_owned()), ("assistant", "<b>".to_owned())];
        let context = Context { messages: &messages, generation_prompt: true, bos: "<s>", eos: "</s>", date: None };
        Sandbox::new(source)?.render(&context)
    }

    #[track_caller]
    fn assert_fails(source: &str) {
        let start = std::time::Instant::now();
        let outcome = render(source).map(|text| text.len());
        assert!(outcome.is_err(), "{outcome:?}");
        assert!(start.elapsed().as_secs() < 5, "{:?} {}", start.elapsed(), &source[..60.min(source.len())]);
    }

    /// Any outcome will do, as long as it comes.
    #[track_caller]
    fn assert_bounded(source: &str) {
        let start = std::time::Instant::now();
        let _ = render(source);
        assert!(start.elapsed().as_secs() < 5, "{:?} {}", start.elapsed(), &source[..40.min(source.len())]);
    }

    #[test]
    fn hostile_templates_fail_in_bounded_time() {
        assert_fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
        assert_fails("{% for i in range(1000000000) %}a{% endfor %}");
        assert_fails("{{ range(-9223372036854775807, 9223372036854775807) | list }}");
        assert_fails("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}");
        assert_fails("{% for i in range(9999) %}{% for j in range(9999) %}aaaaaaaaaaaaaaaa{% endfor %}{% endfor %}");
        assert_fails(&format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)));
        assert_fails(&format!("{{{{ {}1 }}}}", "-".repeat(60_000)));
        assert_fails(&format!("{{{{ {}{} }}}}", "[".repeat(30_000), "]".repeat(30_000)));
        assert_fails("{{ 'a' * 1000000000000 }}");
        assert_fails("{{ 'aaaaaaaaaaaaaaaaaaaaaaaa' * 10000000 }}");
        assert_fails(
            "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
        );
        for bomb in [
            "'%1000000000d' % 1",
            "'%*d' % (1000000000, 1)",
            "'{:>1000000000}'.format(1)",
            "'{:{}}'.format(1, 1000000000)",
            "'{0!r:>1000000000}'.format(1)",
            "'%1000000000d'|format(1)",
            "'%.1000000000f' % 1.0",
            "'a\\nb'|indent(1000000000)",
            "messages|tojson(indent=1000000000)",
            "[1]|batch(1000000000, 'a')|list",
            "messages|slice(1000000000)|list",
            "'a'|center(1000000000)",
            "range(9999)|join('a' * 60000)",
            "('a' * 60000)|replace('a', 'b' * 60000)",
            "10 ** 10 ** 10",
        ] {
            assert_fails(&format!("{{{{ {bomb} }}}}"));
        }
        assert_fails("{{ undefined_function() }}");
        assert_fails("{% include 'chat_template' %}");
        assert_fails("{% extends 'chat_template' %}");
        assert_fails("{{ raise_exception('no') }}");
        assert_fails("{% for");
        assert_fails(&"a".repeat(70_000));
    }

    #[test]
    fn long_chains_end_in_bounded_time_and_stack() {
        let links = [
            "+1",
            "+x",
            ".a",
            "|a",
            "[0]",
            "()",
            " if 1",
            " if 0 else 1",
            "~1",
            "~'a'",
            "<1",
            "**1",
            " and 1",
            ",1",
            " is x",
        ];
        for link in links {
            for first in ["1", "messages"] {
                for length in [1_900, 32_000 / link.len()] {
                    assert_bounded(&format!("{{{{ {first}{} }}}}", link.repeat(length)));
                }
                assert_bounded(&format!("{{{{ {first}{} }}}}", link.repeat(900)).repeat(64_000 / link.len() / 900));
            }
        }
        assert_bounded(&format!("{{{{ {}1 }}}}", "not ".repeat(10_000)));
        assert_bounded(&format!("{{% if 1 %}}{}{{% endif %}}", "{%elif 1%}".repeat(6_400)));
        assert_bounded(&"{%if 1%}".repeat(8_000));
        assert_bounded(&"{%for x in y%}".repeat(4_500));
    }

    #[test]
    fn values_that_hold_each_other_twice_stay_small() {
        let uses = [
            "X|string|length",
            "X|tojson|length",
            "X == [X[0], X[1]]",
            "X ~ ''",
            "X|pprint",
            "{X: 1}",
            "X in [[X[0]]]",
            "Y == X",
            "Y < X",
            "[X, Y]|sort",
            "[X, Y]|unique|list",
            "X|join",
            "'{}'.format(X)",
            "X is eq Y",
            "X|e",
            "X|upper",
            "X",
        ];
        let steps = [
            "[V, V]",
            "(V, V)",
            "{'a': V, 'b': V}",
            "dict(a=V, b=V)",
            "V|zip(V)|list",
            "[1]|batch(2, V)|list",
            "[V]|chain([V])|list",
            "[V] * 2",
            "[V] + [V]",
            "V + V",
            "V * 2",
            "[none]|map('default', V, true)|list + [V]",
        ];
        for step in steps {
            let (x, y) = (step.replace('V', "ns.x"), step.replace('V', "ns.y"));
            for used in uses {
                let used = used.replace('X', "ns.x").replace('Y', "ns.y");
                assert_bounded(&format!(
                    "{{% set ns = namespace(x=[1, 2], y=[1, 2]) %}}{{% for i in range(60) %}}{{% set ns.x = {x} %}}\
                     {{% set ns.y = {y} %}}{{% endfor %}}{{{{ {used} }}}}"
                ));
            }
        }
        let straight = "{% set a = [a, a] %}".repeat(100);
        assert_fails(&format!("{{% set a = [1] %}}{straight}{{{{ a ~ a }}}}"));
        let nested = "{% for a in [[a, a]] %}".repeat(60) + &"{% endfor %}".repeat(60);
        assert_bounded(&format!("{{% set a = [1] %}}{nested}"));
        assert_fails(
            "{% macro f(g, a, n) %}{{ a ~ a if n == 0 else g(g, [a, a], n - 1) }}{% endmacro %}{{ f(f, [1], 40) }}",
        );
    }

    #[test]
    fn deep_values_do_not_overflow_the_stack() {
        let head = "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% for j in range(9999) %}";
        for step in ["[ns.x]", "{'a': ns.x}", "(ns.x,)", "[ns.x, ns.x]", "dict(a=ns.x)"] {
            // Until the fuel is gone, and until some of it is left to use the value with.
            assert_bounded(&format!("{head}{{% set ns.x = {step} %}}{{% endfor %}}{{% endfor %}}"));
            for depth in [1_000, 20_000, 40_000, 60_000] {
                for end in
                    ["ns.x", "ns.x|tojson", "ns.x == [ns.x]", "ns.x|string", "{ns.x: 1}", "ns.x ~ ''", "ns.x|pprint"]
                {
                    let head = head.replacen("9999", "20", 1).replacen("9999", &(depth / 20).to_string(), 1);
                    assert_bounded(&format!(
                        "{head}{{% set ns.x = {step} %}}{{% endfor %}}{{% endfor %}}{{{{ {end} }}}}"
                    ));
                }
            }
        }
    }

    #[test]
    fn a_value_that_holds_itself_cannot_be_made() {
        let make = "{% set ns = namespace(a=0) %}";
        for end in [
            "{% set ns.x = ns %}{{ ns }}",
            "{% set ns.x = [ns] %}{{ ns|tojson }}",
            "{% set b = ns %}{% set ns.x = b %}{{ ns == ns.x }}",
            "{% set ns.x = {'a': ns} %}{{ ns }}",
            "{% for b in [ns] %}{% set ns.x = b %}{% endfor %}{{ ns }}",
            "{% with b = ns %}{% set ns.x = b %}{% endwith %}",
            "{% macro f(b) %}{% set ns.x = b %}{% endmacro %}{{ f(ns) }}{{ ns }}",
            "{% set ns.x = (ns) %}{{ ns }}",
            "{% set ns.x = ns if 1 else 0 %}{{ ns }}",
            "{% set ns.x = namespace() %}{% set ns.x.y = ns.x %}{{ ns.x }}",
            "{% set f = namespace %}{% set b = f() %}{% set b.x = b %}{{ b }}",
            "{% set b, c = namespace(), 1 %}{% set b.x = b %}{{ b }}",
            "{% set b = [namespace()] %}{% set b[0].x = b %}{{ b }}",
            "{% set b = namespace() or 1 %}{% set b.x = b %}{{ b }}",
            "{% import 'chat_template' as t %}{% set t.ns.x = t.ns %}{{ t }}",
            "{% set ns.x = [1, {'a': (1, ns)}] %}{{ ns }}",
            "{% set d = dict(a=ns) %}{% set ns.x = d %}{{ ns }}",
        ] {
            assert_fails(&format!("{make}{end}"));
        }
    }

    #[test]
    fn namespaces_work_as_templates_use_them() {
        let source = "{% set ns = namespace(found=false, n=(1 + 1)) %}{% for m in messages %}{% if m.role == 'user' %}\
                      {% set ns.found = true %}{% set ns.n = ns.n + 1 %}{% endif %}{% endfor %}{{ ns.found }}{{ ns['n'] }}";
        assert_eq!(render(source).as_deref(), Ok("True3"));
    }

    #[test]
    fn templates_see_what_hugging_face_gives_them() {
        assert_eq!(render("{{ bos_token }}{{ messages[-1]['content'] | tojson }}").as_deref(), Ok("<s>\"<b>\""));
        assert_eq!(render("{{ messages[0].get('name', 'x') }}{{ 'Ab'.lower() }}").as_deref(), Ok("xab"));
        assert_eq!(render("{% if strftime_now is defined %}x{% endif %}").as_deref(), Ok(""));
        assert_eq!(render("{% if tools is defined %}x{% endif %}").as_deref(), Ok(""));
        assert_eq!(render("a{%- generation -%} b {%- endgeneration %}c").as_deref(), Ok("abc"));
        assert_eq!(render("{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}").as_deref(), Ok("531"));
        assert_eq!(render("  {% if true %}\nx\n  {% endif %}\n").as_deref(), Ok("x\n"));
    }
}

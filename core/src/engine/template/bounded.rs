//! Compiles a template so that no value in it can outgrow the interpreter's own limits.
//!
//! The interpreter counts the steps of a template and the bytes it makes, but not what lies nested in a value: a list
//! of two lists of two lists, 60 deep, costs 60 steps to make and 2^60 to print or compare; a `namespace` that holds
//! itself overflows the stack. So a check follows each instruction that makes a value out of others, and each that
//! assigns one into a namespace. Folding of constants takes the square of an expression's length, hence its limit.

use minijinja::machinery::ast::Stmt;
use minijinja::machinery::{CodeGenerator, Instruction, Instructions, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::sandbox::describe;

/// The longest expressions of templates in use have some 100 tokens.
const MAX_EXPRESSION_TOKENS: usize = 2_000;
/// Everything in one value, counted as often as it would be printed; a message counts three.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 32;
const NODES_A_STEP: u64 = 16;
/// The flag of a loop that calls itself, as the interpreter has it.
const LOOP_FLAG_RECURSIVE: u8 = 2;
const CHECK_MADE: &str = "aloe_check_made";
const CHECK_STORED: &str = "aloe_check_stored";
/// The interpreter's mark for a filter that is looked up by name each time.
const NOT_CACHED: u8 = u8::MAX;

/// Makes the checks known to an environment that is to run bounded templates.
pub(super) fn add_checks(environment: &mut Environment<'_>) {
    environment.add_filter(CHECK_MADE, |state: &State, value: Value| check(state, value, false));
    environment.add_filter(CHECK_STORED, |state: &State, value: Value| check(state, value, true));
}

/// Compiles a template, with checks, and refuses what needs other templates.
pub(super) fn compile<'a>(name: &'a str, source: &'a str, syntax: &SyntaxConfig) -> Result<Instructions<'a>, String> {
    check_expressions(source, syntax)?;
    let tree = parse(source, name, syntax.clone()).map_err(|e| describe(&e))?;
    if !matches!(tree, Stmt::Template(_)) {
        return Err("the chat template is not a template".into());
    }
    let mut generator = CodeGenerator::new(name, source);
    generator.compile_stmt(&tree);
    let (plain, blocks) = generator.finish();
    if !blocks.is_empty() {
        return Err("the chat template is made of blocks".into());
    }
    with_checks(name, source, &plain)
}

fn check_expressions(source: &str, syntax: &SyntaxConfig) -> Result<(), String> {
    let mut length = 0;
    for token in tokenize(source, false, syntax.clone()) {
        let (token, _) = token.map_err(|e| describe(&e))?;
        length = if matches!(token, Token::BlockEnd | Token::VariableEnd) { 0 } else { length + 1 };
        if length > MAX_EXPRESSION_TOKENS {
            return Err(format!("the chat template has an expression of over {MAX_EXPRESSION_TOKENS} tokens"));
        }
    }
    Ok(())
}

fn with_checks<'a>(name: &'a str, source: &'a str, plain: &Instructions<'a>) -> Result<Instructions<'a>, String> {
    let mut checked = Instructions::new(name, source);
    let mut moved = Vec::new();
    for index in 0.. {
        moved.push(next_index(&moved, plain, index));
        let Some(instruction) = plain.get(index) else { break };
        let line = plain.get_line(index).unwrap_or_default() as u16;
        refuse(instruction)?;
        for part in checked_parts(instruction) {
            checked.add_with_line(part, line);
        }
    }
    for index in 0..moved.last().copied().unwrap_or_default() {
        if let Some(target) = checked.get_mut(index).and_then(target_of) {
            *target = moved.get(*target as usize).copied().ok_or("the chat template jumps out of itself")?;
        }
    }
    Ok(checked)
}

/// Where the instruction at `index` will stand.
fn next_index(moved: &[u32], plain: &Instructions<'_>, index: u32) -> u32 {
    let before = index.checked_sub(1).and_then(|before| Some((moved.last()?, plain.get(before)?)));
    before.map_or(0, |(at, instruction)| at + checked_parts(instruction).len() as u32)
}

fn checked_parts<'a>(instruction: &Instruction<'a>) -> Vec<Instruction<'a>> {
    let check = |name| Instruction::ApplyFilter(name, Some(1), NOT_CACHED);
    let instruction = instruction.clone();
    match instruction {
        Instruction::BuildMap(_)
        | Instruction::BuildList(_)
        | Instruction::BuildTuple(_)
        | Instruction::Add
        | Instruction::Mul
        | Instruction::Slice
        | Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(_) => vec![instruction, check(CHECK_MADE)],
        // On the stack lie the value and, on top of it, the namespace.
        Instruction::SetAttr(_) => vec![Instruction::Swap, check(CHECK_STORED), Instruction::Swap, instruction],
        _ => vec![instruction],
    }
}

fn refuse(instruction: &Instruction<'_>) -> Result<(), String> {
    match instruction {
        Instruction::Include(_) | Instruction::LoadBlocks | Instruction::CallBlock(_) | Instruction::ExportLocals => {
            Err("the chat template asks for other templates".into())
        }
        Instruction::PushLoop(flags) if flags & LOOP_FLAG_RECURSIVE != 0 => {
            Err("the chat template has a loop that calls itself".into())
        }
        _ => Ok(()),
    }
}

fn target_of<'i>(instruction: &'i mut Instruction<'_>) -> Option<&'i mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}

/// Gives the value back if it is small enough, and to be stored only if it holds no namespace.
fn check(state: &State, value: Value, stored: bool) -> Result<Value, Error> {
    if value.as_object().is_some() {
        let mut left = MAX_NODES;
        count(&value, stored, 0, &mut left)?;
        state.consume_fuel((MAX_NODES - left) as u64 / NODES_A_STEP)?;
    }
    Ok(value)
}

fn count(value: &Value, stored: bool, depth: usize, left: &mut usize) -> Result<(), Error> {
    let refused = |reason| Err(Error::new(ErrorKind::InvalidOperation, reason));
    let weight = 1 + value.as_str().map_or(0, str::len) / 64;
    match left.checked_sub(weight) {
        Some(rest) if depth <= MAX_DEPTH => *left = rest,
        _ => return refused("a value grows too large"),
    }
    let Some(object) = value.as_object() else { return Ok(()) };
    if is_namespace(object.type_name()) {
        return if stored || depth > 0 { refused("a namespace inside of another value") } else { Ok(()) };
    }
    match value.kind() {
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            count(&key, stored, depth + 1, left)?;
            count(&value.get_item(&key)?, stored, depth + 1, left)
        }),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.try_for_each(|item| count(&item, stored, depth + 1, left))
        }
        _ => Ok(()),
    }
}

fn is_namespace(type_name: &str) -> bool {
    type_name.ends_with("Namespace")
}

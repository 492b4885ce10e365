//! Compose files: the image of every service, of every profile. Source: the Compose Specification,
//! "Services" and "Interpolation".
//!
//! A variable is what the file itself says where it is not set (`${VERSION:-1.0}`): the environment
//! is not read, so the same file means the same everywhere. A variable without that is refused by
//! name, and so are services that are only built, and other files.

use super::{Reader, Refusal};
use crate::yaml::At;

/// How deep a default may hold further variables.
const MAX_NESTING: usize = 8;

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    if let Some(include) = document.get("include")? {
        return Err(include.wrong("included files are not read: give them with -f too, or what `docker compose config` writes").into());
    }
    for (name, service) in document.need("services")?.entries()? {
        if let Some(extends) = service.get("extends")? {
            return Err(extends.wrong("services of other files or services are not followed: give what `docker compose config` writes").into());
        }
        match (service.get("image")?, service.get("build")?) {
            (Some(at), _) => {
                let text = interpolate(at.text()?, 0).map_err(|why| at.wrong(why))?;
                reader.image(&at, &text)?;
            }
            (None, Some(_)) => {
                let why = format!(
                    "{name} is built here and has no image: push it to a registry, and name it under image"
                );
                return Err(service.wrong(why).into());
            }
            (None, None) => {
                return Err(service.wrong(format!("{name} has no image")).into());
            }
        }
    }
    Ok(())
}

/// The text with every variable as if it were not set.
fn interpolate(text: &str, depth: usize) -> Result<String, String> {
    if depth > MAX_NESTING {
        return Err("variables nest too deep".to_owned());
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = closing(inner).ok_or("a variable has no closing brace")?;
            out.push_str(&unset(&inner[..end], depth)?);
            rest = &inner[end + 1..];
        } else {
            let name: String = after.chars().take_while(|c| is_word(*c)).collect();
            return Err(no_default(&name));
        }
    }
    Ok(out + rest)
}

/// What `NAME:-default` and its like are when NAME is not set.
fn unset(inner: &str, depth: usize) -> Result<String, String> {
    let end = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
    let alternative = rest.strip_prefix(":+").or_else(|| rest.strip_prefix('+'));
    match (default, alternative) {
        (Some(default), _) => interpolate(default, depth + 1),
        (None, Some(_)) => Ok(String::new()),
        (None, None) => Err(no_default(name)),
    }
}

fn no_default(name: &str) -> String {
    format!(
        "the variable {name} has no default: write ${{{name}:-VALUE}}, or give what `docker compose config` writes"
    )
}

/// Where the brace is that closes an open one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

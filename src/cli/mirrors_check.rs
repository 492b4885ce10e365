//! `gapferry mirrors --check-config`: where pulls would go with the configuration that there is.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use walkdir::WalkDir;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::mirrors::{Args, Named};
use super::output::{count, escaped};
use crate::files::FileError;
use crate::import;
use crate::mirror::{Ask, Config, ConfigFile, Form, MAX_CONFIG_SIZE, Verdict};
use crate::oci::Reference;

/// How deep below a directory files are looked for: `containerd/certs.d/<host>/hosts.toml`.
const MAX_DEPTH: usize = 4;
/// How many files are read.
const MAX_FILES: usize = 10_000;

/// A pull, and where the image is, if that is known.
struct Pull {
    name: Reference,
    target: Option<Reference>,
}

/// A pull by one form of configuration.
struct Answer<'a> {
    form: Form,
    pull: &'a Pull,
    asks: Vec<Ask>,
    /// `None` when nobody knows where the image is.
    verdict: Option<Verdict>,
}

/// Does it, for the configuration at `path`.
///
/// # Errors
/// `other-pulls` when an image is not pulled from where it is; `bad-config`, `no-config`.
pub fn run(path: &Path, args: &Args, context: &Context) -> Result<(), Failure> {
    let (pulls, origin) = pulls(args, context)?;
    let configs = read(path)?;
    let mut answers = Vec::new();
    for config in &configs {
        answers.extend(pulls.iter().map(|pull| {
            let asks = config.asks(&pull.name);
            let verdict = pull.target.as_ref().map(|target| Verdict::of(&asks, target));
            Answer { form: config.form(), pull, asks, verdict }
        }));
    }
    print(&answers, origin.as_ref(), context)?;
    let bad =
        |it: &&Answer<'_>| !matches!(it.verdict, None | Some(Verdict::Ok | Verdict::Fallback));
    match answers.iter().filter(bad).count() {
        0 => Ok(()),
        number => {
            let message = format!("{} would not go to the image first", count(number, "pull"));
            let failure = Failure::new(Exit::NotAllowed, "other-pulls", message);
            Err(failure.hint("write the configuration anew with `gapferry mirrors`"))
        }
    }
}

/// Every image by its name, and by its digest; then what is asked for on the command line.
fn pulls(args: &Args, context: &Context) -> Result<(Vec<Pull>, Option<Named>), Failure> {
    let mut pulls = Vec::new();
    let named = match (&args.to, args.places.is_empty()) {
        (Some(to), false) => {
            let mapping = args.names.mapping(to)?;
            let named = Named::read(&args.places, &args.trust, context)?;
            for planned in &import::plan(&named.images, &[], &mapping)?.images {
                let (name, target) = (planned.image.name.clone(), planned.target.clone());
                let digest = Some(planned.image.digest);
                if name.digest.is_none() {
                    pulls.push(Pull { name: name.clone(), target: Some(target.clone()) });
                }
                let by_digest = |it: Reference| Reference { tag: None, digest, ..it };
                pulls.push(Pull { name: by_digest(name), target: Some(by_digest(target)) });
            }
            Some(named)
        }
        (None, true) => None,
        _ => {
            let message = "--to says where the images of a bundle or lock are; give both";
            return Err(Failure::new(Exit::Usage, "usage", message));
        }
    };
    pulls.extend(args.reference.iter().map(|name| Pull { name: name.clone(), target: None }));
    Ok((pulls, named))
}

/// The configuration of each form that is there.
fn read(path: &Path) -> Result<Vec<Config>, Failure> {
    let found = find(path)?;
    let mut configs = Vec::new();
    for form in [Form::Containerd, Form::Containers, Form::K3s] {
        let paths: Vec<&PathBuf> =
            found.iter().filter(|(it, _)| *it == form).map(|(_, path)| path).collect();
        if paths.is_empty() {
            continue;
        }
        let texts = paths.iter().map(|path| input::read(path, MAX_CONFIG_SIZE));
        let texts = texts.collect::<Result<Vec<_>, Failure>>()?;
        let files: Vec<ConfigFile<'_>> = paths
            .iter()
            .zip(&texts)
            .map(|(path, bytes)| ConfigFile { form, directory: directory(path), bytes })
            .collect();
        configs.push(Config::parse(form, &files).map_err(|(at, error)| {
            Failure::new(Exit::Usage, "bad-config", error).at(paths[at].display())
        })?);
    }
    match configs.is_empty() {
        false => Ok(configs),
        true => {
            let failure = Failure::new(Exit::Usage, "no-config", "there is no configuration");
            Err(failure.at(path.display()).hint(
                "name a certs.d, a registries.conf or a registries.yaml, or a directory with them",
            ))
        }
    }
}

/// The files of configuration at `path`, in the order in which they count.
fn find(path: &Path) -> Result<Vec<(Form, PathBuf)>, Failure> {
    let mut found = Vec::new();
    // The user's own files, which may be links, as input is.
    for entry in WalkDir::new(path).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name() {
        let entry = entry.map_err(|error| FileError::io("read", path, error.into()))?;
        if let Some(form) = form(entry.path()).filter(|_| entry.file_type().is_file()) {
            found.push((form, entry.into_path()));
        }
        if found.len() > MAX_FILES {
            let message = format!("more than {MAX_FILES} files of configuration");
            return Err(Failure::new(Exit::Usage, "bad-config", message).at(path.display()));
        }
    }
    // The drop-ins come after the file itself.
    found.sort_by_key(|(_, path)| is_drop_in(path));
    Ok(found)
}

fn form(path: &Path) -> Option<Form> {
    match path.file_name()?.to_str()? {
        "hosts.toml" => Some(Form::Containerd),
        "registries.conf" => Some(Form::Containers),
        "registries.yaml" | "registries.yml" => Some(Form::K3s),
        name if name.ends_with(".conf") && is_drop_in(path) => Some(Form::Containers),
        _ => None,
    }
}

fn is_drop_in(path: &Path) -> bool {
    directory(path) == "registries.conf.d"
}

/// The name of the directory that a file is in.
fn directory(path: &Path) -> &str {
    path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default()
}

fn print(answers: &[Answer<'_>], from: Option<&Named>, context: &Context) -> Result<(), Failure> {
    if context.json() {
        return context.print_json(&json!({
            "from": from.map(|named| &named.origin),
            "verified": from.map(|named| named.verified),
            "pulls": answers.iter().map(entry).collect::<Vec<_>>(),
        }));
    }
    let unverified = from.is_some_and(|named| !named.verified);
    let warning = if unverified { "NOT VERIFIED: give --trust\n" } else { "" };
    context.print(&(warning.to_owned() + &answers.iter().map(lines).collect::<String>()))
}

fn entry(answer: &Answer<'_>) -> Value {
    json!({
        "form": answer.form, "name": answer.pull.name, "target": answer.pull.target,
        "asks": answer.asks, "verdict": answer.verdict,
    })
}

fn lines(answer: &Answer<'_>) -> String {
    let word = match answer.verdict {
        None => "",
        Some(Verdict::Ok) => "OK",
        Some(Verdict::Fallback) => "OK, then elsewhere",
        Some(Verdict::Later) => "ELSEWHERE FIRST",
        Some(Verdict::Elsewhere) => "GOES ELSEWHERE",
        Some(Verdict::Nobody) => "NOBODY IS ASKED",
    };
    let ask = |(at, ask): (usize, &Ask)| {
        let insecure = if ask.insecure { "  (without TLS)" } else { "" };
        format!("  {} {}{insecure}\n", at + 1, escaped(&ask.name))
    };
    let asks: String = answer.asks.iter().enumerate().map(ask).collect();
    let (form, name) = (answer.form.name(), &answer.pull.name);
    let head = format!("{form:<11}{name}  {word}");
    format!("{}\n{asks}", head.trim_end())
}

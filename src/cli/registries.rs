//! A registry client from what the command line says and where credentials usually lie.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::RegistryArgs;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use crate::registry::{Client, Config, Credentials};

/// The largest credential file or set of certificates, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A client that behaves as `args` say.
///
/// # Errors
/// When a file that was named cannot be read or is malformed.
pub fn client(args: &RegistryArgs, context: &Context) -> Result<Client, Failure> {
    let mut ca_pem = Vec::new();
    for path in &args.ca_file {
        ca_pem.push(input::read(path, MAX_FILE)?.to_vec());
    }
    // A system without certificates can still speak to registries with an own authority.
    let system = rustls_native_certs::load_native_certs().certs;
    Ok(Client::new(Config {
        plain_http: args.plain_http.clone(),
        ca_der: system.into_iter().map(|certificate| certificate.to_vec()).collect(),
        ca_pem,
        credentials: credentials(args, context)?,
        retries: u32::from(args.retries),
        idle_timeout: Duration::from_secs(args.timeout.into()),
        progress: context.shared_progress(),
        ..Config::default()
    })?)
}

fn credentials(args: &RegistryArgs, context: &Context) -> Result<Credentials, Failure> {
    let mut all = Credentials::default();
    let named = args.authfile.is_some();
    for path in candidates(args, context) {
        if !named && !path.exists() {
            continue;
        }
        let found = Credentials::parse(&input::read(&path, MAX_FILE)?);
        all.extend(found.map_err(|error| Failure::from(error).at(path.display()))?);
    }
    for entry in &args.creds {
        let password = input::secret_text(&entry.password_file);
        let password = password.map_err(|failure| unnamed(failure, &entry.host))?;
        all.insert(&entry.host, &entry.user, &password);
    }
    Ok(all)
}

/// A password file that cannot be read may be the password itself, put there by mistake.
fn unnamed(failure: Failure, host: &str) -> Failure {
    match failure.code {
        "file" => {
            let message = format!("the password file of --creds for {host} cannot be read");
            let failure = Failure::new(Exit::Failed, "password-file", message);
            failure.hint("a file is to be named, not the password; does it exist?")
        }
        _ => failure,
    }
}

/// The file that was named, else podman's places, then docker's.
fn candidates(args: &RegistryArgs, context: &Context) -> Vec<PathBuf> {
    if let Some(named) = &args.authfile {
        return vec![named.clone()];
    }
    let variable = |name: &str| context.variable(name).map(PathBuf::from);
    let below = |base: Option<PathBuf>, path: &str| base.map(|base| base.join(Path::new(path)));
    let docker = variable("DOCKER_CONFIG").or_else(|| below(context.home(), ".docker"));
    [
        variable("REGISTRY_AUTH_FILE"),
        below(variable("XDG_RUNTIME_DIR"), "containers/auth.json"),
        below(context.home(), ".config/containers/auth.json"),
        below(docker, "config.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

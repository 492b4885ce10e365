//! A registry client from what the command line says and where credentials usually lie.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::RegistryArgs;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use crate::registry::{Certificates, Client, Config, Credentials, Identity, Proxies};

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
    let certificates = certificates(args)?;
    ca_pem.extend(certificates.authorities);
    // A system without certificates can still speak to registries with an own authority.
    let system = rustls_native_certs::load_native_certs().certs;
    Ok(Client::new(Config {
        plain_http: args.plain_http.clone(),
        ca_der: system.into_iter().map(|certificate| certificate.to_vec()).collect(),
        ca_pem,
        identity: certificates.identity.map(Arc::new),
        certs_d: certs_d(args, context),
        proxies: proxies(args, context),
        credentials: credentials(args, context)?,
        retries: u32::from(args.retries),
        idle_timeout: Duration::from_secs(args.timeout.into()),
        progress: context.shared_progress(),
        ..Config::default()
    })?)
}

/// What is named for all registries.
fn certificates(args: &RegistryArgs) -> Result<Certificates, Failure> {
    if let Some(directory) = &args.cert_dir {
        return Ok(Certificates::read(directory)?);
    }
    let (Some(certificate), Some(key)) = (&args.cert, &args.cert_key) else {
        return Ok(Certificates::default());
    };
    let (certificate, key) = (input::read(certificate, MAX_FILE)?, input::read(key, MAX_FILE)?);
    let identity = Some(Identity::parse(&certificate, &key)?);
    Ok(Certificates { identity, ..Certificates::default() })
}

/// Where podman and docker keep certificates for single registries.
fn certs_d(args: &RegistryArgs, context: &Context) -> Vec<PathBuf> {
    if args.cert_dir.is_some() {
        return Vec::new();
    }
    let own = context.home().map(|home| home.join(".config/containers/certs.d"));
    let all = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().chain(all).collect()
}

/// What is named, else what the environment says, as other programs read it.
fn proxies(args: &RegistryArgs, context: &Context) -> Proxies {
    let first = |names: [&str; 2]| {
        let value = names.into_iter().find_map(|name| context.variable(name));
        value.and_then(|value| value.into_string().ok())
    };
    let except = first(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let except = except.split(',').map(|entry| entry.trim().to_owned()).collect();
    let named = args.proxy.clone();
    Proxies {
        https: named.clone().or_else(|| first(["HTTPS_PROXY", "https_proxy"])),
        http: named.or_else(|| first(["HTTP_PROXY", "http_proxy"])),
        except,
    }
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

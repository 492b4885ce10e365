//! Groups of options that several subcommands share.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use crate::oci::Repository;

/// The form of results and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON object: a result on standard output, or an error on standard error.
    Json,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// A line now and then, for logs.
    Plain,
    /// Nothing.
    None,
}

/// How results, errors and progress are shown. Taken by every subcommand.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Form of results (standard output) and errors (standard error)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub output: Format,
    /// How to show progress, on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    pub progress: ProgressMode,
    /// Say more of what happens: retries, steps that are done
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Show no progress and no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// How registries are reached.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArgs {
    /// Speak plain HTTP to this registry (repeatable; the loopback needs no leave)
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host)]
    pub plain_http: Vec<String>,
    /// Trust these certificate authorities too (PEM, repeatable)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Vec<PathBuf>,
    /// Show this certificate to registries that ask for one (PEM, with its chain)
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    pub cert: Option<PathBuf>,
    /// The private key of --cert (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub cert_key: Option<PathBuf>,
    /// Certificates for all registries: *.crt to trust, *.cert with *.key to show; in place of the
    /// directories certs.d of podman and docker
    #[arg(long, value_name = "DIR", conflicts_with = "cert")]
    pub cert_dir: Option<PathBuf>,
    /// Reach registries through this proxy: http://[USER:PASSWORD@]HOST[:PORT]; otherwise
    /// HTTPS_PROXY, HTTP_PROXY and NO_PROXY say
    #[arg(long, value_name = "URL", value_parser = ProxyParser)]
    pub proxy: Option<String>,
    /// Credentials, in the form of docker's config.json or containers' auth.json
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// User and password for one registry; the password is the file's first line (repeatable)
    #[arg(long, value_name = "HOST=USER:PASSWORD-FILE", value_parser = CredentialsParser)]
    pub creds: Vec<Credentials>,
    /// How many transfers at once
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// How often a failed request is tried again
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u8).range(0..=20))]
    pub retries: u8,
    /// How long a registry may be silent
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub timeout: u16,
}

/// Reads a proxy's address; like [`CredentialsParser`] it repeats nothing that may be a password.
#[derive(Clone)]
struct ProxyParser;

impl TypedValueParser for ProxyParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        match value.to_str() {
            Some(text) if text.starts_with("http://") || text.starts_with("https://") => {
                Ok(text.to_owned())
            }
            _ => {
                let text = "--proxy: expected http://[USER:PASSWORD@]HOST[:PORT]\n";
                Err(clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command))
            }
        }
    }
}

/// Where the password of a user of a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The registry: host and, if given, port.
    pub host: String,
    /// The user.
    pub user: String,
    /// The file whose first line is the password.
    pub password_file: PathBuf,
}

impl FromStr for Credentials {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Credentials, &'static str> {
        let wanted = || "expected HOST=USER:PASSWORD-FILE";
        let (at, rest) = text.split_once('=').ok_or_else(wanted)?;
        let (user, file) = rest.split_once(':').ok_or_else(wanted)?;
        if user.is_empty() || file.is_empty() {
            return Err(wanted());
        }
        let at = host(at).map_err(|_| wanted())?;
        Ok(Credentials { host: at, user: user.to_owned(), password_file: file.into() })
    }
}

/// Reads [`Credentials`] and does not repeat the text in its errors, as clap's own parsers do: it
/// may be a password, put there by mistake.
#[derive(Clone)]
struct CredentialsParser;

impl TypedValueParser for CredentialsParser {
    type Value = Credentials;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        text: &OsStr,
    ) -> Result<Credentials, clap::Error> {
        let refused = |why| {
            let message = format!("a value of --creds is malformed: {why}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        };
        text.to_str().unwrap_or_default().parse().map_err(refused)
    }
}

/// A host, with a port or without.
///
/// # Errors
/// When it is none.
pub fn host(text: &str) -> Result<String, String> {
    match Repository::new(text, "a") {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("not a host or host:port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_name_a_host_a_user_and_a_file() {
        let read: Credentials = "quay.io:443=robot$x:/run/secret:1".parse().unwrap();
        assert_eq!((read.host.as_str(), read.user.as_str()), ("quay.io:443", "robot$x"));
        assert_eq!(read.password_file, PathBuf::from("/run/secret:1"));
    }

    #[test]
    fn malformed_credentials_are_not_repeated() {
        for text in ["", "quay.io", "quay.io=hunter2", "quay.io=:f", "quay.io=u:", "a b=u:f"] {
            let error = text.parse::<Credentials>().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn hosts_are_hosts() {
        assert!(host("localhost:5000").is_ok() && host("[::1]:5000").is_ok());
        assert!(host("http://quay.io").is_err() && host("quay.io/a").is_err());
    }
}

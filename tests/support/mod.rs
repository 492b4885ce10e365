//! Help for the tests: real registries.

// Each test file uses a part of it.
#![allow(dead_code)]

pub(crate) mod command;
pub(crate) mod containerd;
pub(crate) mod images;
pub(crate) mod proxy;

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Debian's `docker-registry`, with its storage in a temporary directory. Ends when dropped.
pub(crate) struct DockerRegistry {
    process: Child,
    /// Goes with the registry.
    directory: tempfile::TempDir,
    port: u16,
}

impl DockerRegistry {
    /// A registry that anybody may read and write.
    pub(crate) fn start() -> DockerRegistry {
        DockerRegistry::with("", |_| ())
    }

    /// A registry over a storage that is there already.
    pub(crate) fn start_on(storage: &Path) -> DockerRegistry {
        let link = |at: &Path| std::os::unix::fs::symlink(storage, at.join("storage")).unwrap();
        DockerRegistry::with("", link)
    }

    /// A registry that speaks TLS for 127.0.0.1, and the certificate of its authority in PEM.
    pub(crate) fn start_tls() -> (DockerRegistry, Vec<u8>) {
        DockerRegistry::start_tls_named("IP:127.0.0.1")
    }

    /// The same for another name.
    pub(crate) fn start_tls_for(name: &str) -> (DockerRegistry, Vec<u8>) {
        DockerRegistry::start_tls_named(&format!("DNS:{name}"))
    }

    /// A registry for [`USER`] that calls itself `https://name` wherever it says where something is.
    pub(crate) fn start_at_443(name: &str) -> (DockerRegistry, Vec<u8>) {
        let mut authority = Vec::new();
        let more = format!(
            "  tls: {{certificate: cert.pem, key: key.pem}}\n  host: https://{name}\n\
             auth: {{htpasswd: {{realm: test, path: htpasswd}}}}\n"
        );
        let registry = DockerRegistry::with(&more, |at| {
            std::fs::write(at.join("htpasswd"), format!("{USER}:{PASSWORD_HASH}\n")).unwrap();
            openssl(at, &SERVER.replace("IP:127.0.0.1", &format!("DNS:{name}")));
            authority = std::fs::read(at.join("cert.pem")).unwrap();
        });
        (registry, authority)
    }

    fn start_tls_named(name: &str) -> (DockerRegistry, Vec<u8>) {
        DockerRegistry::with_certificate(|at| {
            openssl(at, "-subj /CN=authority -keyout authority.key -out authority.pem");
            let signed = "-CA authority.pem -CAkey authority.key";
            let leaf = "-addext basicConstraints=critical,CA:FALSE";
            let server = SERVER.replace("IP:127.0.0.1", name);
            openssl(at, &format!("{server} {signed} {leaf}"));
            std::fs::read(at.join("authority.pem")).unwrap()
        })
    }

    /// The same with a certificate that signed itself, as `openssl req -x509` makes it.
    pub(crate) fn start_self_signed() -> (DockerRegistry, Vec<u8>) {
        DockerRegistry::with_certificate(|at| {
            openssl(at, SERVER);
            std::fs::read(at.join("cert.pem")).unwrap()
        })
    }

    /// A registry that only [`USER`] with [`PASSWORD`] may read and write.
    pub(crate) fn start_with_password() -> DockerRegistry {
        let http = "auth: {htpasswd: {realm: test, path: htpasswd}}\n";
        DockerRegistry::with(http, |at| {
            std::fs::write(at.join("htpasswd"), format!("{USER}:{PASSWORD_HASH}\n")).unwrap();
        })
    }

    /// A registry that speaks TLS with clients that show a certificate of its authority. Beside it
    /// lie `authority.pem`, `client.pem` with `client.key`, and `stranger.pem` with `stranger.key`,
    /// which signed itself.
    pub(crate) fn start_mutual_tls() -> DockerRegistry {
        let tls = "  tls: {certificate: cert.pem, key: key.pem, clientcas: [authority.pem]}\n";
        DockerRegistry::with(tls, |at| {
            openssl(at, "-subj /CN=authority -keyout authority.key -out authority.pem");
            let signed = "-CA authority.pem -CAkey authority.key";
            let leaf = "-addext basicConstraints=critical,CA:FALSE";
            openssl(at, &format!("{SERVER} {signed} {leaf}"));
            let client = "-subj /CN=client -addext extendedKeyUsage=clientAuth";
            openssl(at, &format!("{client} -keyout client.key -out client.pem {signed} {leaf}"));
            openssl(at, &format!("{client} -keyout stranger.key -out stranger.pem {leaf}"));
        })
    }

    /// A registry that wants tokens from `realm`. Beside it lies what signs them: `tokens.key`, with
    /// the certificate `tokens.pem`.
    pub(crate) fn start_with_tokens(realm: &str) -> DockerRegistry {
        let auth = format!(
            "auth: {{token: {{realm: '{realm}', service: test, issuer: test, \
             rootcertbundle: tokens.pem}}}}\n"
        );
        DockerRegistry::with(&auth, |at| {
            let made = Command::new("openssl")
                .current_dir(at)
                .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens".split(' '))
                .args(["-keyout", "tokens.key", "-out", "tokens.pem"])
                .stderr(Stdio::null())
                .status();
            assert!(made.expect("openssl is installed").success());
        })
    }

    /// A file that lies beside the registry's configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn with_certificate(make: impl FnOnce(&Path) -> Vec<u8>) -> (DockerRegistry, Vec<u8>) {
        let mut authority = Vec::new();
        let registry =
            DockerRegistry::with("  tls: {certificate: cert.pem, key: key.pem}\n", |at| {
                authority = make(at)
            });
        (registry, authority)
    }

    /// `more` ends the configuration, which ends with `http:`; `prepare` fills the working directory.
    fn with(more: &str, prepare: impl FnOnce(&Path)) -> DockerRegistry {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        prepare(at);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: 127.0.0.1:{port}\n{more}",
            at.join("storage").display()
        );
        std::fs::write(at.join("config.yml"), config).unwrap();
        let process = Command::new("docker-registry")
            .current_dir(at)
            .args(["serve", "config.yml"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed");
        let registry = DockerRegistry { process, directory, port };
        registry.wait();
        registry
    }

    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "docker-registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens, at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Forgets everything that was ever pushed.
    pub(crate) fn empty(&self) {
        let _ = std::fs::remove_dir_all(self.directory.path().join("storage"));
    }

    /// Every file that makes a manifest or a tag visible, as it lies in the registry's storage.
    pub(crate) fn manifests(&self) -> BTreeSet<PathBuf> {
        let storage = walkdir::WalkDir::new(self.directory.path().join("storage")).into_iter();
        let files = storage.filter_map(Result::ok).map(walkdir::DirEntry::into_path);
        files.filter(|path| path.iter().any(|part| part == "_manifests")).collect()
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Who may use a registry with a password.
pub(crate) const USER: &str = "robot";
/// The password of [`USER`].
pub(crate) const PASSWORD: &str = "correct-horse";
/// bcrypt, made with `perl -e 'print crypt(...)'`.
const PASSWORD_HASH: &str = "$2y$04$abcdefghijklmnopqrstuuPoaPXzWjiVz4HaNq2LJXksWbO79E.S6";

const SERVER: &str =
    "-subj /CN=server -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";

fn openssl(directory: &Path, arguments: &str) {
    let made = Command::new("openssl")
        .current_dir(directory)
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl is installed").success(), "openssl {arguments}");
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

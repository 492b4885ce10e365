//! TLS under the HTTP library, with one rule of our own.
//!
//! The library's own TLS refuses a server whose certificate calls itself an authority, even when
//! it is the very certificate that the user said to trust. Self-signed registries are mostly made
//! so. Here such a certificate is taken for the server that it names, and for nothing else.
//!
//! Who we are is shown to registries and to the host that a directory of certificates is for, not to
//! other hosts to which they lead.
//!
//! Withstands: certificates of other authorities, for other names, or expired; a certificate that
//! is not byte for byte the trusted one; a host that asks for a client certificate which is not for
//! it. Source: RFC 5280, RFC 6125.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::certs::{self, Certificates, Identity};
use super::error::words;
use super::url::Origin;
use super::{Config, RegistryError};

/// Wraps connections in TLS where the address is https.
#[derive(Clone)]
pub(super) struct TlsConnector(Arc<Trust>);

/// Whom to trust, and what to show to whom.
struct Trust {
    /// Everybody's.
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Arc<Identity>>,
    certs_d: Vec<PathBuf>,
    /// The registries: these see who we are.
    registries: Mutex<BTreeSet<String>>,
    /// By host and port, and whether it is a registry.
    known: Mutex<HashMap<(String, bool), Arc<ClientConfig>>>,
}

impl TlsConnector {
    /// Trusts the authorities that `config` has, and nobody else.
    pub(super) fn new(config: &Config) -> Result<TlsConnector, RegistryError> {
        let authorities = authorities(&config.ca_der, &config.ca_pem)?;
        let trust = Trust {
            authorities,
            identity: config.identity.clone(),
            certs_d: config.certs_d.clone(),
            registries: Mutex::default(),
            known: Mutex::default(),
        };
        // What is wrong with the authorities shows now.
        trust.configured(&Certificates::default(), None)?;
        Ok(TlsConnector(Arc::new(trust)))
    }

    /// From now on this is a registry, which may see who we are.
    pub(super) fn add_registry(&self, origin: &Origin) {
        lock(&self.0.registries).insert(place(origin));
    }

    /// How to speak to `origin`.
    fn config(&self, origin: &Origin) -> Result<Arc<ClientConfig>, RegistryError> {
        let trust = &self.0;
        let place = place(origin);
        let is_registry = lock(&trust.registries).contains(&place);
        let key = (place.clone(), is_registry);
        if let Some(known) = lock(&trust.known).get(&key) {
            return Ok(known.clone());
        }
        let mut names = vec![place];
        if origin.port() == 443 {
            names.push(origin.host().to_owned());
        }
        let directory = certs::directory(&trust.certs_d, &names);
        let own = directory.as_deref().map(Certificates::read).transpose()?.unwrap_or_default();
        let everywhere = trust.identity.as_deref().filter(|_| is_registry);
        let config = Arc::new(trust.configured(&own, own.identity.as_ref().or(everywhere))?);
        lock(&trust.known).insert(key, config.clone());
        Ok(config)
    }
}

/// `host:port`
fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.host(), origin.port())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trust {
    fn configured(
        &self,
        own: &Certificates,
        identity: Option<&Identity>,
    ) -> Result<ClientConfig, RegistryError> {
        let mut authorities = self.authorities.clone();
        authorities.extend(self::authorities(&[], &own.authorities)?);
        let refused =
            |error: &dyn fmt::Display| RegistryError::Authority(words(&error.to_string()));
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?;
        let mut roots = RootCertStore::empty();
        // Systems' stores hold certificates that no library reads; one more or less is no reason
        // to stop.
        roots.add_parsable_certificates(authorities.iter().cloned());
        // The verifier is not made without an authority; without one nothing is trusted.
        let builder = if roots.is_empty() {
            builder.with_root_certificates(roots)
        } else {
            let roots = Arc::new(roots);
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| refused(&error))?;
            let verifier = Arc::new(Verifier { inner, pinned: authorities, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        };
        let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = identity.parts();
        let shown = builder.with_client_auth_cert(chain, key);
        shown.map_err(|error| RegistryError::ClientCertificate(words(&error.to_string())))
    }
}

/// The certificates in `der` and in the texts `pem`.
fn authorities(
    der: &[Vec<u8>],
    pem: &[Vec<u8>],
) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let mut found: Vec<_> = der.iter().cloned().map(CertificateDer::from).collect();
    for text in pem {
        let before = found.len();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let refused = |error| RegistryError::Authority(words(&format!("{error:?}")));
            found.push(certificate.map_err(refused)?);
        }
        if found.len() == before {
            return Err(RegistryError::Authority("there is no certificate in the file".into()));
        }
    }
    Ok(found)
}

/// The usual verification, and the rule above where it fails for that one reason.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.inner.verify_server_cert(end_entity, intermediates, name, stapled, now) {
            // Found out after the dates were checked, before the name is.
            Err(Error::InvalidCertificate(CertificateError::Other(why)))
                if why.to_string() == "CaUsedAsEndEntity"
                    && self.pinned.iter().any(|one| one == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']'))
            .map_err(|_| ureq::Error::Tls("the host has no name that a certificate could have"))?
            .to_owned();
        let config = Origin::of(details.uri).map(|origin| self.config(&origin));
        let config = config.unwrap_or_else(|| Err(RegistryError::Authority("no host".into())));
        let config = config.map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut connection = ClientConnection::new(config, name)?;
        let mut below = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        below.set_timeout(details.timeout);
        while connection.is_handshaking() {
            connection.complete_io(&mut below)?;
        }
        let stream = StreamOwned { conn: connection, sock: below };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

/// An encrypted connection.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output();
        Ok(self.stream.write_all(output.get(..amount).unwrap_or(output))?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

//! Small images in an OCI layout, with what refers to them, and keys that openssl makes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::support::command::Work;
use crate::support::images::{OCI_INDEX, digest};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The layout `layout` in a directory of work.
pub(crate) struct Layout<'a> {
    pub(crate) work: &'a Work,
    index: Vec<Value>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(work: &'a Work) -> Layout<'a> {
        std::fs::create_dir_all(work.path("layout/blobs/sha256")).unwrap();
        work.write("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
        let layout = Layout { work, index: Vec::new() };
        layout.write_index();
        layout
    }

    fn write_index(&self) {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.index});
        self.work.write("layout/index.json", index.to_string());
    }

    /// Puts a blob; its descriptor.
    pub(crate) fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.work.write(&format!("layout/blobs/{}", digest.replace(':', "/")), bytes);
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// Puts a document, by a name or without one; its descriptor.
    fn document(&mut self, name: Option<&str>, document: &Value) -> Value {
        let kind = document["mediaType"].as_str().unwrap();
        let descriptor = self.blob(kind, document.to_string().as_bytes());
        let mut entry = descriptor.clone();
        if let Some(name) = name {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        self.index.push(entry);
        self.write_index();
        descriptor
    }

    /// An image for linux/amd64 that was made at `created`.
    pub(crate) fn image(&mut self, name: &str, created: &str) -> Value {
        let config = json!({
            "os": "linux", "architecture": "amd64", "created": created, "of": name,
        });
        let config = self.blob(OCI_CONFIG, config.to_string().as_bytes());
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar", name.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
        });
        self.document(Some(name), &manifest)
    }

    /// Something that refers to `subject`.
    pub(crate) fn referrer(
        &mut self,
        subject: &Value,
        kind: &str,
        layer: Value,
        notes: Value,
    ) -> Value {
        let config = self.blob("application/vnd.oci.empty.v1+json", b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": config,
            "layers": [layer], "subject": subject, "annotations": notes,
        });
        self.document(None, &manifest)
    }

    /// A signature under the tag of the image's digest.
    pub(crate) fn tagged(&mut self, repository: &str, subject: &Value, layer: Value) -> Value {
        let config = self.blob(OCI_CONFIG, b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
        });
        let tag = format!("{repository}:{}.sig", text(subject, "digest").replace(':', "-"));
        self.document(Some(&tag), &manifest)
    }

    /// The layer of a payload for `digest` that `key` signed.
    pub(crate) fn payload(&self, key: &str, digest: &str) -> Value {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": ""},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = payload.to_string();
        let mut layer = self.blob(PAYLOAD, payload.as_bytes());
        let signature = BASE64.encode(sign(self.work, key, payload.as_bytes()));
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        layer
    }

    /// The layer of a bundle in which `key` states that it signed `digest`.
    pub(crate) fn statement(&self, key: &str, digest: &str) -> Value {
        let kind = "application/vnd.in-toto+json";
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": &digest["sha256:".len()..]}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
        })
        .to_string();
        let signed = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let signature = BASE64.encode(sign(self.work, key, signed.as_bytes()));
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "dsseEnvelope": {
                "payload": BASE64.encode(&statement), "payloadType": kind,
                "signatures": [{"sig": signature}],
            },
        });
        self.blob(BUNDLE, bundle.to_string().as_bytes())
    }

    /// The layer of a bundle in which `key` signed the manifest itself.
    pub(crate) fn message(&self, key: &str, manifest: &Value) -> Value {
        let path = text(manifest, "digest").replace(':', "/");
        let bytes = self.work.read(&format!("layout/blobs/{path}"));
        let signature = BASE64.encode(sign(self.work, key, &bytes));
        let bundle = json!({
            "mediaType": BUNDLE, "verificationMaterial": {},
            "messageSignature": {"signature": signature},
        });
        self.blob(BUNDLE, bundle.to_string().as_bytes())
    }
}

/// A text in a value.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// Makes `<name>.key` and `<name>.pub`.
pub(crate) fn key_pair(work: &Work, name: &str, algorithm: &str) {
    run(work, &format!("openssl genpkey -out {name}.key -algorithm {algorithm}"));
    run(work, &format!("openssl pkey -in {name}.key -pubout -out {name}.pub"));
}

fn sign(work: &Work, key: &str, message: &[u8]) -> Vec<u8> {
    work.write("message", message);
    run(work, &format!("openssl pkeyutl -sign -inkey {key}.key -rawin -in message -out signature"));
    work.read("signature")
}

fn run(work: &Work, line: &str) {
    let output = work.tool(line).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

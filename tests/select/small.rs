//! Small images, made quickly and pushed without gapferry.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::support::images::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A connection to a registry that is kept open: tests push thousands of images.
pub(crate) struct Pusher {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Pusher {
    pub(crate) fn on(host: &str) -> Pusher {
        let stream = TcpStream::connect(host).unwrap();
        stream.set_nodelay(true).unwrap();
        Pusher { host: host.to_owned(), stream: BufReader::new(stream) }
    }

    /// Pushes an image with one layer to `repository` under `tags`; its manifest's digest.
    pub(crate) fn image(
        &mut self,
        repository: &str,
        tags: &[&str],
        content: &str,
        created: &str,
    ) -> String {
        let config = json!({
            "os": "linux", "architecture": "amd64", "created": created,
            "rootfs": {"type": "layers", "diff_ids": [digest(content.as_bytes())]},
        });
        let config = config.to_string();
        let part = |kind: &str, bytes: &str| {
            json!({
                "mediaType": kind, "digest": digest(bytes.as_bytes()), "size": bytes.len(),
            })
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": part(CONFIG, &config), "layers": [part(LAYER, content)],
        });
        self.blob(repository, &config);
        self.blob(repository, content);
        for tag in tags {
            self.manifest(repository, tag, &manifest.to_string());
        }
        digest(manifest.to_string().as_bytes())
    }

    fn blob(&mut self, repository: &str, bytes: &str) {
        let (status, head) = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", "");
        assert_eq!(status, 202, "{head}");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
        let path = location.splitn(4, '/').nth(3).unwrap();
        let path = format!("/{path}&digest={}", digest(bytes.as_bytes()));
        let (status, head) = self.send("PUT", &path, "application/octet-stream", bytes);
        assert_eq!(status, 201, "{head}");
    }

    pub(crate) fn manifest(&mut self, repository: &str, tag: &str, manifest: &str) {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let (status, head) = self.send("PUT", &path, MANIFEST, manifest);
        assert_eq!(status, 201, "{head}");
    }

    /// Status and head of the answer.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> (u16, String) {
        let host = &self.host;
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let head = head.replace("\r\n", "\n");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: u64 = length.map_or(0, |text| text.parse().unwrap());
        std::io::copy(&mut (&mut self.stream).take(length), &mut std::io::sink()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head)
    }
}

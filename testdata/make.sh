#!/bin/bash
# Makes testdata/images, testdata/archives, testdata/cosign.pub and the tables
# in testdata/README.md anew, with the tools people use to make images.
#
# Needs Debian packages only (named below when missing) and no network except
# the loopback, where a registry runs for as long as the script does.
# shellcheck disable=SC2016 # backticks in single quotes are Markdown for the table
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export SOURCE_DATE_EPOCH=1700000000
export LC_ALL=C TZ=UTC
epoch=$SOURCE_DATE_EPOCH
date=$(date -u -d "@$epoch" +%FT%TZ)

oci_manifest=application/vnd.oci.image.manifest.v1+json
oci_index=application/vnd.oci.image.index.v1+json
oci_config=application/vnd.oci.image.config.v1+json
oci_empty=application/vnd.oci.empty.v1+json
simple_signing=application/vnd.dev.cosign.simplesigning.v1+json

work=
registry_pid=

# --- tools ---------------------------------------------------------------

# Nothing is installed silently: the user decides what goes onto the machine.
check_tools() {
  local pair missing=()
  for pair in busybox:busybox-static skopeo:skopeo umoci:umoci podman:podman \
    buildah:buildah go:golang-go pigz:pigz gzip:gzip zstd:zstd jq:jq tar:tar \
    openssl:openssl docker-registry:docker-registry; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  if ((${#missing[@]})); then
    echo "missing; on Debian: apt-get install ${missing[*]}" >&2
    exit 1
  fi
}

finish() {
  if [[ -n $registry_pid ]]; then kill "$registry_pid" 2>/dev/null || true; fi
  if [[ -n $work ]]; then rm -rf "$work"; fi
}

version_of() { dpkg-query -W -f '${Version}' "$1"; }

# The storage of buildah and podman lives in the work directory and uses vfs,
# which works where overlay mounts do not and leaves nothing behind.
in_storage() {
  local tool=$1
  shift
  "$tool" --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

in_podman() {
  in_storage podman --tmpdir "$work/podman" --cgroup-manager cgroupfs \
    --events-backend none "$@"
}

skopeo_copy() { skopeo --insecure-policy copy -q "$@"; }

# --- what the layers hold ------------------------------------------------

# The tree is packed with fixed names, owners and times, so that one tree gives
# one tar, whichever compressor comes after.
pack() {
  tar --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 \
    --numeric-owner -C "$work/root/$1" -cf "$work/$1.tar" .
}

# A root file system small enough for a repository, yet with the things a layer
# has: a program, hard and symbolic links, an odd mode, an empty directory.
root_busybox() {
  local root=$work/root/busybox applet
  mkdir -p "$root"/{bin,etc,root,tmp,usr/share/doc/busybox,usr/share/common-licenses}
  cp "$(command -v busybox)" "$root/bin/busybox"
  ln "$root/bin/busybox" "$root/bin/sh"
  busybox --list | while read -r applet; do
    if [[ ! -e $root/bin/$applet ]]; then ln -s busybox "$root/bin/$applet"; fi
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  cp /usr/share/doc/busybox-static/copyright "$root/usr/share/doc/busybox/"
  cp /usr/share/common-licenses/GPL-2 "$root/usr/share/common-licenses/"
  chmod -R u=rwX,go=rX "$root"
  chmod 700 "$root/root"
  chmod 1777 "$root/tmp"
  pack busybox
}

# Text of more than 128 KiB, so that the block compressors make several blocks.
root_licenses() {
  mkdir -p "$work/root/licenses/usr/share"
  cp -a /usr/share/common-licenses "$work/root/licenses/usr/share/"
  pack licenses
}

root_app() {
  mkdir -p "$work/root/app/app"
  printf '#!/bin/sh\necho "hello from $(cat /app/name)"\n' >"$work/root/app/app/run.sh"
  echo 'signed/app' >"$work/root/app/app/name"
  chmod -R u=rwX,go=rX "$work/root/app"
  chmod 755 "$work/root/app/app/run.sh"
  pack app
}

root_tiny() {
  mkdir -p "$work/root/tiny/etc" "$work/root/tiny/usr/share/common-licenses"
  echo 'A tiny image of text only.' >"$work/root/tiny/etc/motd"
  cp /usr/share/common-licenses/BSD "$work/root/tiny/usr/share/common-licenses/"
  chmod -R u=rwX,go=rX "$work/root/tiny"
  pack tiny
}

# --- the layout all images go into ---------------------------------------

blob() { echo "$1/blobs/${2/://}"; }

digest_of() { echo "sha256:$(sha256sum <"$1" | cut -d' ' -f1)"; }

# umoci and buildah write manifests without a mediaType: OCI lets them.
media_type() {
  jq -r --arg manifest "$oci_manifest" --arg index "$oci_index" \
    '.mediaType // if .manifests then $index else $manifest end' "$1"
}

layers_of() { # LAYOUT DIGEST: the compressed sizes of its layers
  local child
  jq -r '.layers[]?.size' "$(blob "$1" "$2")"
  for child in $(jq -r '.manifests[]?.digest' "$(blob "$1" "$2")"); do
    layers_of "$1" "$child"
  done
}

# Copies what a manifest reaches and nothing else: tools leave earlier states
# of an image behind. Bytes are copied, never written anew.
copy_tree() {
  local from=$1 digest=$2 child
  cp "$(blob "$from" "$digest")" "$(blob "$work/images" "$digest")"
  for child in $(jq -r '.manifests[]?.digest' "$(blob "$from" "$digest")"); do
    copy_tree "$from" "$child"
  done
  for child in $(jq -r '.config.digest // empty, .layers[]?.digest' "$(blob "$from" "$digest")"); do
    cp "$(blob "$from" "$child")" "$(blob "$work/images" "$child")"
  done
}

# add NAME LAYOUT DIGEST MADE_BY ENCODER: into index.json and the table. A name
# in brackets is a remark for the table only: such an entry is a referrer.
add() {
  local name=$1 layout=$2 digest=$3 made=$4 encoder=$5 path ref=$1
  if [[ $name == \(* ]]; then ref=; fi
  if [[ $layout != "$work/images" ]]; then copy_tree "$layout" "$digest"; fi
  path=$(blob "$work/images" "$digest")
  jq -c --arg type "$(media_type "$path")" --arg digest "$digest" --arg ref "$ref" \
    --argjson size "$(stat -c %s "$path")" \
    '{mediaType: $type, digest: $digest, size: $size}
     + if .artifactType then {artifactType} else {} end
     + if $ref != "" then {annotations: {"org.opencontainers.image.ref.name": $ref}} else {} end' \
    "$path" >>"$work/entries"
  printf '| %s | `%s` | %s | %s | %s |\n' "$name" "$digest" "$made" "$encoder" \
    "$(layers_of "$work/images" "$digest" | paste -sd' ')" >>"$work/table"
}

# Puts a file into the layout and prints its descriptor.
describe() { # MEDIA_TYPE FILE
  local digest
  digest=$(digest_of "$2")
  cp "$2" "$(blob "$work/images" "$digest")"
  jq -nc --arg type "$1" --arg digest "$digest" --argjson size "$(stat -c %s "$2")" \
    '{mediaType: $type, digest: $digest, size: $size}'
}

# Puts a manifest (standard input) into the layout and prints its digest. The
# bytes are compact JSON without a final newline, as Go's encoder writes them.
put_manifest() {
  jq -cj . >"$work/manifest.json"
  describe "$oci_manifest" "$work/manifest.json" | jq -r .digest
}

tag_digest() { # LAYOUT TAG
  jq -r --arg tag "$2" '.manifests[]
    | select(.annotations["org.opencontainers.image.ref.name"] == $tag).digest' "$1/index.json"
}

write_layout() {
  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/images/oci-layout"
  jq -sj --arg type "$oci_index" \
    '{schemaVersion: 2, mediaType: $type, manifests: .}' "$work/entries" >"$work/images/index.json"
}

# Makes a layout whose only purpose is to hand one image to another tool.
layout_of() { # LAYOUT DIGEST TAG
  printf '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
  jq -nj --arg type "$(media_type "$(blob "$1" "$2")")" --arg digest "$2" --arg tag "$3" \
    --argjson size "$(stat -c %s "$(blob "$1" "$2")")" \
    '{schemaVersion: 2, manifests: [{mediaType: $type, digest: $digest, size: $size,
      annotations: {"org.opencontainers.image.ref.name": $tag}}]}' >"$1/index.json"
}

# --- images made by Go ---------------------------------------------------

go_image() { # LAYOUT FLAG... LAYER...
  local out=$1
  shift
  "$work/make" image -out "$out" -epoch "$epoch" "$@"
}

go_images() {
  local out=$work/go go
  go="Go program, $(go version | cut -d' ' -f3)"
  base=$(go_image "$out" -cmd /bin/sh "$work/busybox.tar")
  add library/busybox:1.35 "$out" "$base" "$go" 'compress/gzip -1'
  add library/base:go-l1 "$out" \
    "$(go_image "$out" -cmd /bin/sh -level 1 "$work/busybox.tar")" "$go" 'compress/gzip 1'
  amd64=$(go_image "$out" -cmd /app/run.sh "$work/busybox.tar" "$work/app.tar")
  arm64=$(go_image "$out" -arch arm64 "$work/licenses.tar")
  multi=$("$work/make" index -out "$out" "linux/amd64=$amd64" "linux/arm64=$arm64")
  add library/multi:1.0 "$out" "$multi" "$go" 'compress/gzip -1'
  add library/multi:latest "$out" "$multi" 'the same index' 'compress/gzip -1'
  tiny=$(go_image "$out" -cmd /bin/sh "$work/tiny.tar")
}

# --- images made by other compressors ------------------------------------

compressor_images() {
  local out=$work/other plain=$work/licenses.tar by
  gzip -n -c "$plain" >"$work/6.gz"
  gzip -n -9 -c "$work/tiny.tar" >"$work/9.gz"
  by="gzip $(version_of gzip), manifest by the Go program"
  add tools/gnugzip:1.0 "$out" \
    "$(go_image "$out" -by 'gzip -n' "$plain=$work/6.gz" "$work/tiny.tar=$work/9.gz")" \
    "$by" '`gzip -n`, `gzip -n -9`'

  # The number of threads does not change the bytes once it is above one.
  pigz -n -p 2 -c "$plain" >"$work/p2.gz"
  pigz -n -p 1 -c "$work/tiny.tar" >"$work/p1.gz"
  by="pigz $(version_of pigz), manifest by the Go program"
  add tools/pigz:1.0 "$out" \
    "$(go_image "$out" -by 'pigz -n' "$plain=$work/p2.gz" "$work/tiny.tar=$work/p1.gz")" \
    "$by" '`pigz -n -p 2`, `pigz -n -p 1`'

  plain_and_zstd
}

# skopeo compresses what is plain in its source, and only that: so the plain
# image comes first and the zstd one is made from it.
plain_and_zstd() {
  local out=$work/plain digest by
  by="skopeo $(version_of skopeo)"
  digest=$(go_image "$out" -by 'tar' "$work/licenses.tar=$work/licenses.tar")
  layout_of "$out" "$digest" 1.0
  skopeo_copy --dest-oci-accept-uncompressed-layers "oci:$out:1.0" "oci:$work/plain2:1.0"
  add tools/plain:1.0 "$work/plain2" "$(tag_digest "$work/plain2" 1.0)" "$by" none
  skopeo_copy --dest-compress-format zstd "oci:$out:1.0" "oci:$work/zstd:1.0"
  add tools/zstd:1.0 "$work/zstd" "$(tag_digest "$work/zstd" 1.0)" "$by" 'klauspost zstd'
}

# --- images made by umoci and buildah ------------------------------------

# umoci takes times for history and config from the command line.
umoci_image() { # LAYOUT ROOT TAG
  local out=$1 root=$2 tag=$3 bundle
  bundle=$(mktemp -d -p "$work")
  umoci init --layout "$out"
  umoci new --image "$out:$tag"
  umoci config --no-history --image "$out:$tag" --created "$date" \
    --architecture amd64 --os linux --config.cmd /bin/sh
  umoci unpack --image "$out:$tag" "$bundle/b" 2>/dev/null
  cp -a "$work/root/$root/." "$bundle/b/rootfs/"
  find "$bundle/b/rootfs" -exec touch -h -d "@$epoch" {} +
  umoci repack --image "$out:$tag" --history.created "$date" \
    --history.created_by 'umoci repack' "$bundle/b"
  umoci config --no-history --image "$out:$tag" --created "$date"
  umoci gc --layout "$out" >/dev/null
}

umoci_images() {
  umoci_image "$work/umoci" busybox 1.0
  add tools/umoci:1.0 "$work/umoci" "$(tag_digest "$work/umoci" 1.0)" \
    "umoci $(version_of umoci)" 'klauspost pgzip, blocks of 256 KiB'
}

# More than 1 MiB plain, so that the layer has more than one pgzip block.
buildah_image() {
  local container
  container=$(in_storage buildah from scratch)
  in_storage buildah copy -q "$container" "$work/root/busybox" / >/dev/null
  in_storage buildah config --cmd /bin/sh "$container"
  in_storage buildah commit -q --timestamp "$epoch" "$container" tools/buildah:1.0 >/dev/null
  in_storage buildah push -q tools/buildah:1.0 "oci:$work/buildah:1.0"
  add tools/buildah:1.0 "$work/buildah" "$(tag_digest "$work/buildah" 1.0)" \
    "buildah $(version_of buildah)" 'klauspost pgzip, blocks of 1 MiB'
}

# --- images as a registry serves them in Docker's formats ----------------

start_registry() {
  local log=$work/registry.log i
  cat >"$work/registry.yml" <<END
version: 0.1
log: {accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:0"}
END
  docker-registry serve "$work/registry.yml" >"$log" 2>&1 &
  registry_pid=$!
  for ((i = 0; i < 100; i++)); do
    registry=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$log")
    if [[ -n $registry ]]; then return; fi
    sleep 0.1
  done
  cat "$log" >&2
  return 1
}

# The bytes are taken from the registry, not from the tool that pushed them.
serve() { # LAYOUT DIGEST NAME MADE_BY
  local name=$3 digest file hex
  layout_of "$1" "$2" served
  skopeo_copy --all --format v2s2 --dest-tls-verify=false "oci:$1:served" "docker://$registry/$name"
  skopeo inspect --raw --tls-verify=false "docker://$registry/$name" >"$work/served.json"
  digest=$(digest_of "$work/served.json")
  mkdir -p "$work/served/blobs/sha256"
  for file in "$work"/registry/docker/registry/v2/blobs/sha256/*/*/data; do
    hex=$(basename "$(dirname "$file")")
    cp "$file" "$work/served/blobs/sha256/$hex"
  done
  cmp "$work/served.json" "$(blob "$work/served" "$digest")"
  add "$name" "$work/served" "$digest" "$4" 'compress/gzip -1'
}

docker_images() {
  local by
  by="skopeo $(version_of skopeo) \`--format v2s2\`, docker-registry $(version_of docker-registry)"
  start_registry
  serve "$work/go" "$base" legacy/schema2:1.0 "$by, from library/busybox:1.35"
  serve "$work/go" "$multi" legacy/list:1.0 "$by, from library/multi:1.0"
}

# --- artifacts -----------------------------------------------------------

# helm push stores Chart.yaml as JSON in the config and the archive as the layer.
chart() {
  local dir=$work/hello config layer
  mkdir -p "$dir/templates"
  cp "$here"/make/chart/*.yaml "$dir/"
  cp "$here"/make/chart/templates/*.yaml "$dir/templates/"
  "$work/make" chart -epoch "$epoch" -out "$work/hello-0.1.0.tgz" "$dir"
  printf '%s' '{"name":"hello","version":"0.1.0","description":"Prints a greeting","apiVersion":"v2","appVersion":"1.35","type":"application"}' >"$work/chart.json"
  config=$(describe application/vnd.cncf.helm.config.v1+json "$work/chart.json")
  layer=$(describe application/vnd.cncf.helm.chart.content.v1.tar+gzip "$work/hello-0.1.0.tgz")
  add charts/hello:0.1.0 "$work/images" "$(jq -n --argjson config "$config" \
    --argjson layer "$layer" --arg date "$date" \
    '{schemaVersion: 2, config: $config, layers: [$layer], annotations: {
      "org.opencontainers.image.created": $date,
      "org.opencontainers.image.description": "Prints a greeting",
      "org.opencontainers.image.title": "hello",
      "org.opencontainers.image.version": "0.1.0"}}' | put_manifest)" \
    'make.sh, as `helm push` does' 'compress/gzip -1, Helm header'
}

empty_artifact() {
  add library/empty:1.0 "$work/images" "$(jq -n --argjson empty "$empty" --arg type "$oci_manifest" \
    '{schemaVersion: 2, mediaType: $type, artifactType: "application/vnd.example.empty.v1+json",
      config: $empty, layers: [$empty],
      annotations: {"org.opencontainers.image.title": "nothing"}}' | put_manifest)" \
    make.sh 'none (`{}`)'
}

# --- signatures, SBOM and attestation ------------------------------------

sign() { openssl dgst -sha256 -sign "$work/cosign.key" "$1" | base64 -w0; }

# The private key goes with the work directory: nobody needs it afterwards.
make_key() {
  openssl ecparam -genkey -name prime256v1 -noout -out "$work/cosign.key"
  openssl ec -in "$work/cosign.key" -pubout -out "$work/cosign.pub" 2>/dev/null
}

# Writes what cosign signs and prints the layer that carries it.
signature_layer() { # DIGEST
  local payload=$work/payload.json
  jq -ncj --arg digest "$1" '{critical: {
    identity: {"docker-reference": "registry.example/signed/app"},
    image: {"docker-manifest-digest": $digest},
    type: "cosign container image signature"}, optional: null}' >"$payload"
  describe "$simple_signing" "$payload" | jq -c --arg signature "$(sign "$payload")" \
    '. + {annotations: {"dev.cosignproject.cosign/signature": $signature}}'
}

# The image config cosign puts before its layers; $1 is its media type.
cosign_config() { # MEDIA_TYPE LAYER
  jq -ncj --argjson layer "$2" '{architecture: "", created: "0001-01-01T00:00:00Z",
    history: [{created: "0001-01-01T00:00:00Z"}], os: "",
    rootfs: {type: "layers", diff_ids: [$layer.digest]}, config: {}}' >"$work/cosign.json"
  describe "$1" "$work/cosign.json"
}

# The manifest cosign pushes under a tag named after the digest it is about.
cosign_tag() { # LAYER
  jq -n --argjson layer "$1" --arg type "$oci_manifest" \
    --argjson config "$(cosign_config "$oci_config" "$1")" \
    '{schemaVersion: 2, mediaType: $type, config: $config, layers: [$layer]}' | put_manifest
}

# A referrer in the form OCI 1.1 recommends: artifactType and the empty config.
referrer() { # ARTIFACT_TYPE LAYER SUBJECT
  jq -n --arg artifact "$1" --argjson layer "$2" --argjson subject "$3" \
    --argjson empty "$empty" --arg type "$oci_manifest" --arg date "$date" \
    '{schemaVersion: 2, mediaType: $type, artifactType: $artifact, config: $empty,
      layers: [$layer], subject: $subject,
      annotations: {"org.opencontainers.image.created": $date}}' | put_manifest
}

# The form cosign gave its referrers: no artifactType, the type is the config's.
cosign_referrer() { # LAYER SUBJECT
  jq -n --argjson layer "$1" --argjson subject "$2" --arg type "$oci_manifest" \
    --argjson config "$(cosign_config application/vnd.dev.cosign.artifact.sig.v1+json "$1")" \
    '{schemaVersion: 2, mediaType: $type, config: $config, layers: [$layer], subject: $subject}' |
    put_manifest
}

manifest_descriptor() { # DIGEST
  jq -nc --arg type "$oci_manifest" --arg digest "$1" \
    --argjson size "$(stat -c %s "$(blob "$work/images" "$1")")" \
    '{mediaType: $type, digest: $digest, size: $size}'
}

sbom() { # DIGEST
  jq -n --arg digest "$1" --arg date "$date" --arg version "$(version_of busybox-static)" \
    --arg sum "$(sha256sum <"$work/root/busybox/bin/busybox" | cut -d' ' -f1)" \
    '{spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
      name: "signed/app:1.0",
      documentNamespace: "https://example.com/spdx/signed-app-\($digest[7:])",
      creationInfo: {created: $date, creators: ["Tool: gapferry-testdata"]},
      packages: [
        {SPDXID: "SPDXRef-image", name: "signed/app", versionInfo: "1.0",
         downloadLocation: "NOASSERTION", filesAnalyzed: false,
         primaryPackagePurpose: "CONTAINER", licenseConcluded: "NOASSERTION",
         licenseDeclared: "NOASSERTION", copyrightText: "NOASSERTION",
         checksums: [{algorithm: "SHA256", checksumValue: $digest[7:]}]},
        {SPDXID: "SPDXRef-busybox", name: "busybox-static", versionInfo: $version,
         supplier: "Organization: Debian", downloadLocation: "https://packages.debian.org/busybox-static",
         filesAnalyzed: false, licenseConcluded: "NOASSERTION",
         licenseDeclared: "GPL-2.0-only", copyrightText: "NOASSERTION",
         checksums: [{algorithm: "SHA256", checksumValue: $sum}],
         externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
           referenceLocator: "pkg:deb/debian/busybox-static@\($version | @uri)?arch=amd64&distro=bookworm"}]}],
      relationships: [
        {spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: "SPDXRef-image"},
        {spdxElementId: "SPDXRef-image", relationshipType: "CONTAINS", relatedSpdxElement: "SPDXRef-busybox"}]}'
}

# An in-toto statement in a DSSE envelope, signed over its pre-authentication
# encoding as the DSSE protocol demands.
attestation() { # DIGEST
  local type=application/vnd.in-toto+json statement=$work/statement.json pae=$work/pae
  jq -ncj --arg digest "$1" --arg base "$base" '{"_type": "https://in-toto.io/Statement/v1",
    subject: [{name: "registry.example/signed/app", digest: {sha256: $digest[7:]}}],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {buildType: "https://example.com/gapferry-testdata/v1",
        externalParameters: {image: "signed/app:1.0"},
        resolvedDependencies: [{uri: "pkg:oci/busybox?tag=1.35", digest: {sha256: $base[7:]}}]},
      runDetails: {builder: {id: "https://example.com/gapferry-testdata/make.sh"}}}}' >"$statement"
  printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(stat -c %s "$statement")" >"$pae"
  cat "$statement" >>"$pae"
  jq -ncj --arg type "$type" --arg payload "$(base64 -w0 "$statement")" --arg sig "$(sign "$pae")" \
    '{payloadType: $type, payload: $payload, signatures: [{keyid: "", sig: $sig}]}'
}

signed_images() {
  local app tag subject layer sbom_digest
  app=$(go_image "$work/go" -cmd /app/run.sh "$work/busybox.tar" "$work/app.tar" "$work/tiny.tar")
  add signed/app:1.0 "$work/go" "$app" "Go program, $(go version | cut -d' ' -f3)" 'compress/gzip -1'
  tag=signed/app:${app/:/-}
  subject=$(manifest_descriptor "$app")
  make_key

  layer=$(signature_layer "$app")
  add "$tag.sig" "$work/images" "$(cosign_tag "$layer")" 'make.sh, as `cosign sign`' 'none (JSON)'
  add '(signature of signed/app:1.0)' "$work/images" \
    "$(referrer application/vnd.dev.cosign.artifact.sig.v1+json "$layer" "$subject")" make.sh 'none (JSON)'

  sbom "$app" >"$work/sbom.json"
  sbom_digest=$(referrer application/spdx+json \
    "$(describe application/spdx+json "$work/sbom.json")" "$subject")
  add '(SBOM of signed/app:1.0)' "$work/images" "$sbom_digest" make.sh 'none (JSON)'

  attestation "$app" >"$work/dsse.json"
  layer=$(describe application/vnd.dsse.envelope.v1+json "$work/dsse.json")
  add '(attestation of signed/app:1.0)' "$work/images" \
    "$(referrer application/vnd.in-toto+json "$layer" "$subject")" make.sh 'none (JSON)'
  layer=$(jq -c '. + {annotations: {"dev.cosignproject.cosign/signature": "",
    predicateType: "https://slsa.dev/provenance/v1"}}' <<<"$layer")
  add "$tag.att" "$work/images" "$(cosign_tag "$layer")" 'make.sh, as `cosign attest`' 'none (JSON)'

  add '(signature of that SBOM)' "$work/images" \
    "$(cosign_referrer "$(signature_layer "$sbom_digest")" "$(manifest_descriptor "$sbom_digest")")" \
    'make.sh, as `cosign sign` with referrers' 'none (JSON)'
}

# --- archives ------------------------------------------------------------

record_archive() { # FILE MADE_BY
  printf '| %s | %s | %s |\n' "$1" "$2" "$(stat -c %s "$work/archives/$1")" >>"$work/archive-table"
}

archives() {
  local out=$work/archives name=demo/tiny:1.0 tool
  mkdir "$out"
  layout_of "$work/go" "$tiny" 1.0

  tool="skopeo $(version_of skopeo)"
  skopeo_copy "oci:$work/go:1.0" "docker-archive:$out/docker-save.tar:$name"
  record_archive docker-save.tar "$tool, \`docker-archive:\`"
  skopeo_copy "oci:$work/go:1.0" "oci-archive:$out/skopeo-oci.tar:$name"
  record_archive skopeo-oci.tar "$tool, \`oci-archive:\`"

  tool="podman $(version_of podman)"
  skopeo_copy "oci:$work/go:1.0" "containers-storage:[vfs@$work/storage+$work/run]docker.io/$name"
  in_podman save -q --format docker-archive -o "$out/podman-save.tar" "docker.io/$name"
  record_archive podman-save.tar "$tool, \`podman save --format docker-archive\`"
  in_podman save -q --format oci-archive -o "$out/podman-oci.tar" "docker.io/$name"
  record_archive podman-oci.tar "$tool, \`podman save --format oci-archive\`"

  umoci_image "$work/umoci-tiny" tiny 1.0
  tar --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
    -C "$work/umoci-tiny" -cf "$out/umoci.tar" blobs index.json oci-layout
  record_archive umoci.tar "umoci $(version_of umoci), the layout in a tar"
}

# --- the end -------------------------------------------------------------

# Puts a table between the two marks that name it in README.md.
fill_table() { # MARK FILE
  awk -v mark="$1" -v file="$2" '
    $0 == "<!-- end " mark " -->" { skip = 0 }
    !skip { print }
    $0 == "<!-- begin " mark " -->" {
      skip = 1
      while ((getline line < file) > 0) print line
    }' "$here/README.md" >"$work/README.md"
  cat "$work/README.md" >"$here/README.md"
}

# Only a finished set replaces the old one.
install_results() {
  chmod -R u=rwX,go=rX "$work/images" "$work/archives"
  rm -rf "$here/images" "$here/archives"
  cp -r "$work/images" "$work/archives" "$here/"
  cp "$work/cosign.pub" "$here/cosign.pub"
  fill_table images "$work/table"
  fill_table archives "$work/archive-table"
}

main() {
  check_tools
  trap finish EXIT
  work=$(mktemp -d)
  mkdir -p "$work/images/blobs/sha256"
  printf '| Name | Digest | Made by | Layer encoder | Layer bytes |\n|---|---|---|---|---|\n' >"$work/table"
  printf '| File | Made by | Bytes |\n|---|---|---|\n' >"$work/archive-table"
  go build -o "$work/make" "$here/make/main.go"

  printf '{}' >"$work/empty.json"
  empty=$(describe "$oci_empty" "$work/empty.json")

  root_busybox
  root_licenses
  root_app
  root_tiny

  go_images
  umoci_images
  buildah_image
  compressor_images
  docker_images
  chart
  signed_images
  empty_artifact
  write_layout
  archives
  install_results
}

main

#!/usr/bin/env python3
"""Packages what scripts/dist.sh has compiled in build/dist: the last step of `./run dist`.

package.py licences --out FOLDER            LICENSE and THIRD-PARTY-LICENCES.txt
package.py all --arch ARCH... [--wheels]    everything but the jars, into dist/
"""

from __future__ import annotations

import argparse
import base64
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import zipfile

from bill import ROOT, TIME, VERSION, WORK, bill_of_materials, git, licence_files

OUT = ROOT / "dist"
MODEL = ROOT / "models" / "uffizi-tiny"
DEB_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
GLIBC = "2.28"
LIMIT = 25 * 1024 * 1024  # bytes of native code in one package


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- files of a package -------------------------------------------------------------------------


class Tree:
    """Files to be packed: path -> (bytes, mode)."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, int]] = {}
        self.links: dict[str, str] = {}

    def add(self, path: str, data: bytes | pathlib.Path, mode: int = 0o644) -> None:
        self.files[path] = (data.read_bytes() if isinstance(data, pathlib.Path) else data, mode)

    def add_folder(self, path: str, folder: pathlib.Path) -> None:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                self.add(f"{path}/{file.relative_to(folder)}", file)

    def folders(self) -> list[str]:
        found = set()
        for path in [*self.files, *self.links]:
            found.update(str(parent) for parent in pathlib.PurePosixPath(path).parents)
        return sorted(found - {"."})

    def tar(self, top: str = "") -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            entries = [(folder, None, 0o755) for folder in self.folders()]
            entries += [(path, data, mode) for path, (data, mode) in self.files.items()]
            entries += [(path, target, 0o777) for path, target in self.links.items()]
            if top:
                entries.append(("", None, 0o755))
            for path, data, mode in sorted(entries, key=lambda entry: entry[0]):
                info = tarfile.TarInfo(f"{top}/{path}".strip("/") if top else path)
                info.mtime, info.mode = TIME, mode
                if data is None:
                    info.type = tarfile.DIRTYPE
                    if info.name == "tmp":
                        info.mode = 0o1777
                    tar.addfile(info)
                elif isinstance(data, str):
                    info.type, info.linkname = tarfile.SYMTYPE, data
                    tar.addfile(info)
                else:
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    def write(self, folder: pathlib.Path) -> None:
        for path, (data, mode) in self.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(mode)
            os.utime(file, (TIME, TIME))


def program(arch: str) -> pathlib.Path:
    return ROOT / "build" / f"dist-{arch}" / "bin" / "uffizi"


def manual() -> bytes:
    """uffizi(1), from what --help says."""
    machine = os.uname().machine
    command = [str(program(machine))]
    def help_of(*arguments: str) -> str:
        text = subprocess.check_output([*command, *arguments, "--help"], text=True, env={"COLUMNS": "80"})
        return text.replace(str(program(machine)), "uffizi").replace("\\", "\\e").replace("\n.", "\n\\&.").replace("-", "\\-")
    main = help_of()
    date = datetime.datetime.fromtimestamp(TIME, datetime.timezone.utc).strftime("%Y-%m-%d")
    lines = [
        f'.TH UFFIZI 1 "{date}" "uffizi {VERSION}" "User Commands"',
        ".SH NAME", "uffizi \\- captions, boxes, masks and text from pictures, with Florence\\-2 on CPUs",
        ".SH SYNOPSIS", ".B uffizi", "COMMAND [OPTIONS]", ".SH DESCRIPTION", ".nf", main, ".fi",
    ]
    section = main[main.index("Subcommands:") :] if "Subcommands:" in main else main[main.index("SUBCOMMANDS:") :]
    for name in re.findall(r"^  ([a-z]+) ", section, re.M):
        lines += [f".SH uffizi {name}", ".nf", help_of(name), ".fi"]
    return ("\n".join(lines) + "\n").encode()


def unix_tree(arch: str, prefix: str, page: bytes) -> Tree:
    tree = Tree()
    tree.add(f"{prefix}bin/uffizi", program(arch), 0o755)
    tree.add_folder(f"{prefix}share/uffizi/models/uffizi-tiny", MODEL)
    tree.add(f"{prefix}share/man/man1/uffizi.1.gz", gzip.compress(page, 9, mtime=0))
    tree.add(f"{prefix}share/doc/uffizi/sbom.spdx.json", json.dumps(bill_of_materials(), indent=1).encode())
    return tree


# ---- the packages -------------------------------------------------------------------------------


def tarball(arch: str, page: bytes) -> None:
    tree = unix_tree(arch, "", page)
    for name, data in licence_files().items():
        tree.add(f"share/doc/uffizi/{name}", data)
    tree.add("share/doc/uffizi/uffizi.service", ROOT / "deploy" / "uffizi.service")
    top = f"uffizi-{VERSION}-linux-{arch}"
    (OUT / f"{top}.tar.gz").write_bytes(gzip.compress(tree.tar(top), 9, mtime=0))


def debian_package(arch: str, page: bytes) -> None:
    tree = unix_tree(arch, "usr/", page)
    licences = licence_files()
    tree.add("usr/share/doc/uffizi/copyright", licences["LICENSE"] + b"\n" + licences["THIRD-PARTY-LICENCES.txt"])
    service = (ROOT / "deploy" / "uffizi.service").read_text()
    tree.add("usr/share/doc/uffizi/examples/uffizi.service", service.replace("/usr/local/bin", "/usr/bin").encode())
    size = sum(len(data) for data, _ in tree.files.values()) // 1024
    control = f"""Package: uffizi
Version: {VERSION}
Architecture: {DEB_ARCH[arch]}
Maintainer: The Uffizi authors <uffizi@localhost>
Installed-Size: {size}
Depends: libc6 (>= {GLIBC})
Recommends: ca-certificates
Section: graphics
Priority: optional
Description: Florence-2 in 4 bits on ordinary CPUs
 Captions, boxes, masks and text from pictures: a command line and an HTTP
 server, with a small model.
"""
    tree.add("DEBIAN/control", control.encode())
    folder = WORK / "deb" / arch
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    old = os.umask(0o022)
    tree.write(folder)
    os.umask(old)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", folder, OUT / f"uffizi_{VERSION}_{DEB_ARCH[arch]}.deb"],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(TIME)},
    )


def image(arch: str) -> None:
    """An OCI image of plain files (also readable as `docker save` writes them): the C library and the
    authorities' certificates of Debian 12, the program, the model."""
    tree = Tree()
    base = WORK / arch / "image"
    for file in sorted(base.rglob("*")):
        name = str(file.relative_to(base))
        if file.is_symlink():
            tree.links[name] = os.readlink(file)
        elif file.is_file():
            tree.add(name, file, file.stat().st_mode & 0o777)
    tree.add("usr/bin/uffizi", program(arch), 0o755)
    tree.add_folder("usr/share/uffizi/models/uffizi-tiny", MODEL)
    tree.add("etc/passwd", b"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
    tree.add("etc/group", b"nogroup:x:65534:\n")
    tree.add("etc/nsswitch.conf", b"hosts: files dns\n")
    tree.add("tmp/.keep", b"")
    for name, data in licence_files().items():
        tree.add(f"usr/share/doc/uffizi/{name}", data)
    layer = tree.tar()
    packed = gzip.compress(layer, 6, mtime=0)
    created = datetime.datetime.fromtimestamp(TIME, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = json.dumps({
        "created": created,
        "architecture": DEB_ARCH[arch],
        "os": "linux",
        "config": {
            "User": "65534:65534",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/bin", "UFFIZI_CACHE=/tmp/uffizi", "UFFIZI_MODEL=/usr/share/uffizi/models/uffizi-tiny"],
            "Entrypoint": ["uffizi", "serve", "--host", "0.0.0.0"],
            "Labels": {
                "org.opencontainers.image.title": "uffizi",
                "org.opencontainers.image.version": VERSION,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.revision": git("rev-parse", "HEAD"),
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]},
        "history": [{"created": created, "created_by": "scripts/dist/package.py"}],
    }).encode()

    def blob(media: str, data: bytes) -> dict:
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": f"sha256:{sha256(data)}", "size": len(data)}

    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", config),
        "layers": [blob("layer.v1.tar+gzip", packed)],
    }).encode()
    name = f"uffizi:{VERSION}"
    index = json.dumps({
        "schemaVersion": 2,
        "manifests": [
            {
                **blob("manifest.v1+json", manifest),
                "platform": {"architecture": DEB_ARCH[arch], "os": "linux"},
                "annotations": {"org.opencontainers.image.ref.name": VERSION, "io.containerd.image.name": f"docker.io/library/{name}"},
            }
        ],
    }).encode()
    files = Tree()
    files.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    files.add("index.json", index)
    for data in (manifest, config, packed):
        files.add(f"blobs/sha256/{sha256(data)}", data)
    old = [{"Config": f"blobs/sha256/{sha256(config)}", "RepoTags": [name], "Layers": [f"blobs/sha256/{sha256(packed)}"]}]
    files.add("manifest.json", json.dumps(old).encode())
    (OUT / f"uffizi-{VERSION}-oci-{arch}.tar").write_bytes(files.tar())


def wheel_metadata(folder: pathlib.Path) -> dict[str, bytes]:
    """METADATA, entry_points.txt and the licence, by the build backend that `pip install` uses."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    script = "import sys; from scikit_build_core.build import prepare_metadata_for_build_wheel as p; p(sys.argv[1])"
    subprocess.run(
        [WORK / "tools" / "bin" / "python", "-c", script, folder],
        cwd=ROOT / "bindings" / "python", check=True, stdout=subprocess.DEVNULL,
    )
    found = next(folder.glob("uffizi-*.dist-info"))
    # What is given to people has nanobind inside, and a module for each Python.
    text = (found / "METADATA").read_text()
    text = re.sub(r"^Requires-Dist: nanobind-backend.*\n", "", text, flags=re.M)
    text = re.sub(r"^Requires-Python: .*$", "Requires-Python: >=3.9", text, flags=re.M)
    (found / "METADATA").write_text(text)
    return {str(f.relative_to(found)): f.read_bytes() for f in found.rglob("*") if f.is_file() and f.name != "WHEEL"}


def stub() -> bytes:
    """_native.pyi, by nanobind from the module for this machine's Python."""
    machine = os.uname().machine
    folder = WORK / "stub"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for module in (ROOT / "build" / f"dist-{machine}" / "python").glob("_native*.so"):
        shutil.copy(module, folder)
    subprocess.run(
        [WORK / "tools" / "bin" / "python", "-m", "nanobind.stubgen", "-q", "-m", "_native", "-i", folder,
         "-o", folder / "_native.pyi"], check=True,
    )
    return (folder / "_native.pyi").read_bytes()


def wheel(arch: str, module: pathlib.Path, metadata: dict[str, bytes], native_types: bytes) -> None:
    python = re.search(r"cpython-(\d+)", module.name)
    tag = f"cp{python[1]}-cp{python[1]}" if python else "cp312-abi3"
    platform = f"manylinux_{GLIBC.replace('.', '_')}_{arch}"
    tree = Tree()
    tree.add_folder("uffizi", ROOT / "bindings" / "python" / "src" / "uffizi")
    for path in [path for path in tree.files if path.startswith("uffizi/spark/")]:
        del tree.files[path]  # a package of its own, uffizi-spark
    tree.add("uffizi/_native.pyi", native_types)
    tree.add(f"uffizi/{module.name}", module, 0o755)
    tree.add_folder("uffizi/share/uffizi/models/uffizi-tiny", MODEL)
    info = f"uffizi-{VERSION}.dist-info"
    for name, data in metadata.items():
        tree.add(f"{info}/{name}", data)
    for name, data in licence_files().items():
        tree.add(f"{info}/licenses/{name}", data)
    tree.add(f"{info}/sboms/uffizi.spdx.json", json.dumps(bill_of_materials(), indent=1).encode())
    tree.add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: uffizi-dist\nRoot-Is-Purelib: false\nTag: {tag}-{platform}\n".encode())
    native = sum(len(data) for path, (data, mode) in tree.files.items() if mode == 0o755)
    if native > LIMIT:
        raise SystemExit(f"the wheel for {tag} {arch} has {native} bytes of native code; the limit is {LIMIT}")
    rows = []
    for path, (data, _) in tree.files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    rows.append(f"{info}/RECORD,,")
    tree.add(f"{info}/RECORD", ("\n".join(rows) + "\n").encode())
    stamp = datetime.datetime.fromtimestamp(max(TIME, 315532800), datetime.timezone.utc).timetuple()[:6]
    with zipfile.ZipFile(OUT / f"uffizi-{VERSION}-{tag}-{platform}.whl", "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, (data, mode) in tree.files.items():
            entry = zipfile.ZipInfo(path, stamp)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode) << 16
            zipped.writestr(entry, data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    licences = commands.add_parser("licences")
    licences.add_argument("--out", type=pathlib.Path, required=True)
    everything = commands.add_parser("all")
    everything.add_argument("--arch", nargs="+", required=True)
    everything.add_argument("--wheels", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "licences":
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name, data in licence_files().items():
            (arguments.out / name).write_bytes(data)
        return
    OUT.mkdir(exist_ok=True)
    page = manual()
    (OUT / f"uffizi-{VERSION}.spdx.json").write_text(json.dumps(bill_of_materials(), indent=1) + "\n")
    for arch in arguments.arch:
        tarball(arch, page)
        debian_package(arch, page)
        image(arch)
    if arguments.wheels:
        metadata = wheel_metadata(WORK / "metadata")
        native_types = stub()
        for arch in arguments.arch:
            for module in sorted((ROOT / "build" / f"dist-{arch}" / "python").glob("_native*.so")):
                wheel(arch, module, metadata, native_types)


if __name__ == "__main__":
    main()

"""The licences of all that release packages contain, and the bill of materials."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "dist"
COMPONENTS = json.loads((ROOT / "scripts" / "dist" / "components.json").read_text())
VERSION = re.search(r"project\(uffizi VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


def git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()


#: All files are of this time, so that the same sources give the same packages.
TIME = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def source_version(package: str) -> str:
    version = (WORK / "sources" / f"{package}.version").read_text().strip()
    if not version:
        raise SystemExit(f"the version of {package} is unknown: {WORK}/sources/{package}.version is empty")
    return version


def third_party_licences() -> str:
    """The licences of all that is linked in; of Debian's packages as the maintainers wrote them down."""
    parts = ["What stands in Uffizi's programs beside its own code (Apache-2.0), and under which terms.\n"]
    for component in COMPONENTS:
        package = component["package"]
        places = [
            WORK / "sources" / package / "debian" / "copyright",
            WORK / "x86_64" / "doc" / package / "copyright",
            WORK / "aarch64" / "doc" / package / "copyright",
        ]
        text = next(place for place in places if place.exists()).read_text(errors="replace")
        title = f"{component['name']} {source_version(package)} ({component['license']}): {component['use']}"
        parts.append(f"{'=' * 100}\n{title}\n{'=' * 100}\n\n{text}")
    return "\n".join(parts)


def licence_files() -> dict[str, bytes]:
    return {
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "THIRD-PARTY-LICENCES.txt": third_party_licences().encode(),
    }


def source_files(package: str) -> list[tuple[str, str]]:
    """(name, SHA-256) of a Debian source's archives."""
    version = source_version(package).split(":")[-1]
    dsc = WORK / "sources" / "download" / f"{package}_{version}.dsc"
    if not dsc.exists():
        return []
    section = re.search(r"^Checksums-Sha256:\n((?: .*\n)+)", dsc.read_text(), re.M)[1]
    return [(name, digest) for digest, _, name in (line.split() for line in section.splitlines())]


def bill_of_materials() -> dict:
    """SPDX 2.3."""
    created = datetime.datetime.fromtimestamp(TIME, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    main = {
        "SPDXID": "SPDXRef-uffizi",
        "name": "uffizi",
        "versionInfo": VERSION,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
    }
    packages, relations = [main], []
    for component in COMPONENTS:
        package = component["package"]
        version, from_pypi = source_version(package), component.get("from") == "PyPI"
        identifier = f"SPDXRef-{re.sub('[^A-Za-z0-9.-]', '-', package)}"
        packages.append({
            "SPDXID": identifier,
            "name": component["name"],
            "versionInfo": version,
            "supplier": "NOASSERTION" if from_pypi else "Organization: Debian",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": component["license"],
            "licenseDeclared": component["license"],
            "copyrightText": "NOASSERTION",
            "summary": component["use"],
            "sourceInfo": "built from " + ", ".join(
                f"{name} (SHA-256 {digest})" for name, digest in source_files(package)
            ) if source_files(package) else f"{component.get('from', 'Debian')}'s package of {package}",
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": f"pkg:pypi/{package}@{version}" if from_pypi else
                                    f"pkg:deb/debian/{package}@{version.replace(':', '%3A')}?arch=source&distro=bookworm",
            }],
        })
        relations.append({
            "spdxElementId": "SPDXRef-uffizi", "relationshipType": "STATIC_LINK",
            "relatedSpdxElement": identifier,
        })
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"uffizi-{VERSION}",
        "documentNamespace": f"urn:uffizi:{VERSION}:{git('rev-parse', 'HEAD')}",
        "creationInfo": {"created": created, "creators": ["Tool: uffizi-scripts/dist/package.py"]},
        "hasExtractedLicensingInfos": [{
            "licenseId": "LicenseRef-public-domain",
            "extractedText": "liblzma is in the public domain.",
        }],
        "packages": packages,
        "relationships": [{
            "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-uffizi",
        }, *relations],
    }

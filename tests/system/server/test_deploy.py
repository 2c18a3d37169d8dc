"""deploy/: the container has what the program needs, and systemd takes the unit."""

import json
import platform
import re
import shutil
import subprocess

import pytest

from conftest import COMMAND, SOURCE

CONTAINER = (SOURCE / "deploy" / "Containerfile").read_text()


def packages(stage):
    """What a stage of the Containerfile installs."""
    text = re.split(r"^FROM ", CONTAINER, flags=re.MULTILINE)[1 + stage]
    listed = re.search(r"--no-install-recommends ((?:.*\\\n)*.*)", text)[1]
    return set(listed.split("&&")[0].replace("\\\n", " ").split())


def test_container_builds_with_what_the_build_needs():
    listed = re.search(
        r"^build_packages=\((.*?)^\)", (SOURCE / "run").read_text(), re.MULTILINE | re.DOTALL
    )[1]
    libraries = {name for name in listed.split() if name.endswith("-dev")}
    assert packages(0) >= libraries - {"libgmock-dev", "libgtest-dev", "python3-dev"}


def test_container_runs_with_what_the_program_links():
    if not shutil.which("dpkg") or not shutil.which("readelf"):
        pytest.skip("only Debian's dpkg knows the packages of libraries")
    here = platform.freedesktop_os_release().get("VERSION_ID", "?")
    if f"FROM debian:{here}" not in CONTAINER:
        pytest.skip(f"libraries are packaged otherwise in release {here} than in the container")
    dynamic = subprocess.run(
        ["readelf", "-d", COMMAND], capture_output=True, text=True, check=True
    ).stdout
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    assert needed
    base = {"libc6", "libgcc-s1", "libstdc++6"}  # of every Debian that has apt
    for library in needed:
        found = subprocess.run(
            ["dpkg", "-S", library], capture_output=True, text=True, check=True
        ).stdout
        owners = {line.split(":")[0] for line in found.splitlines() if line.endswith("/" + library)}
        assert owners & (packages(1) | base), f"{library} of {owners} is not in the container"


def test_unit(tmp_path):
    verify = shutil.which("systemd-analyze")
    if not verify:
        pytest.skip("systemd-analyze is not here")
    unit = (SOURCE / "deploy" / "uffizi.service").read_text()
    assert "/usr/local/bin/uffizi serve --model" in unit
    program = unit.replace("/usr/local/bin/uffizi", COMMAND)  # it must be there to be verified
    # Both forms of the service: as it stands, and with the key as its first lines say.
    with_key = re.sub(r"^ExecStart=.*\n#(.*)\n#(.*)$", r"\1\n\2", program, flags=re.MULTILINE)
    assert with_key.count("ExecStart=") == 1 and "--api-key-file" in with_key
    for text in (program, with_key):
        (tmp_path / "uffizi.service").write_text(text)
        done = subprocess.run(
            [verify, "verify", tmp_path / "uffizi.service"], capture_output=True, text=True
        )
        assert done.returncode == 0 and "uffizi.service" not in done.stderr, done.stderr
    options = re.findall(r"--[a-z-]+", " ".join(re.findall(r"ExecStart=(.*)", unit)))
    known = subprocess.run(
        [COMMAND, "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(option in known for option in options)


def test_container_is_asked_for_its_health():
    asked = json.loads(re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", CONTAINER, re.MULTILINE)[1])
    assert asked[:2] == ["uffizi", "health"]
    assert subprocess.run([COMMAND, *asked[1:2], "--help"], capture_output=True).returncode == 0


@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_kubernetes(version):
    import kubernetes_validate
    import yaml

    documents = list(yaml.safe_load_all((SOURCE / "deploy" / "kubernetes.yaml").read_text()))
    assert {document["kind"] for document in documents} == {
        "Deployment",
        "Secret",
        "Service",
        "PodDisruptionBudget",
    }
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)
    # What the schema cannot tell: names that must be the same, and options that there are.
    pod = next(d for d in documents if d["kind"] == "Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert known_options(container["args"])
    assert pod["terminationGracePeriodSeconds"] > 30
    with pytest.raises(Exception):
        kubernetes_validate.validate(
            documents[1] | {"spec": {"replicas": "two"}}, version, strict=True
        )


def test_compose():
    import yaml

    compose = yaml.safe_load((SOURCE / "deploy" / "compose.yaml").read_text())
    service = compose["services"]["uffizi"]
    assert known_options(service["command"]) and service["stop_grace_period"] == "45s"
    assert (
        SOURCE / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]
    ).exists()
    assert "uffizi:8080" in (SOURCE / "deploy" / "Caddyfile").read_text()


def known_options(arguments):
    known = subprocess.run(
        [COMMAND, "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    return all(option in known for option in arguments if option.startswith("--"))

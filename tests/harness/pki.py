"""A cluster's certificates, made with openssl: one CA that signs everything, and kubeconfigs that point into the folder."""

import base64
import hashlib
import pathlib

from .process import run

REQUEST = "[req]\ndistinguished_name = name\n[name]\n"


class Pki:
    def __init__(self, folder: pathlib.Path, server: str):
        """`server` is the API server's URL in the kubeconfigs."""
        self.folder, self.server = folder, server
        folder.mkdir(parents=True)
        (folder / "openssl.cnf").write_text(REQUEST)
        self.ca = folder / "ca.crt"
        self._request(
            "ca", "/CN=plane-ca", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"
        )
        run("openssl", "genrsa", "-out", folder / "service-accounts.key", "2048")
        public = folder / "service-accounts.pub"
        run("openssl", "rsa", "-in", folder / "service-accounts.key", "-pubout", "-out", public)

    def _request(self, name: str, subject: str, *extensions: str, sign: list | None = None, days: int = 30) -> None:
        command = ["openssl", "req", "-x509", "-config", self.folder / "openssl.cnf", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject, "-days", days]
        command += ["-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt", *(sign or [])]
        run(*command, *(part for text in extensions for part in ("-addext", text)))

    def issue(self, name: str, subject: str, names: str = "") -> pathlib.Path:
        """NAME.crt and NAME.key for client and server use; `names` is a subjectAltName. The certificate's path."""
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=clientAuth,serverAuth",
            *([f"subjectAltName={names}"] if names else []),
        ]
        self._request(name, subject, *extensions, sign=["-CA", self.ca, "-CAkey", self.folder / "ca.key"])
        return self.folder / f"{name}.crt"

    def kubeconfig(self, path: pathlib.Path, user: str) -> pathlib.Path:
        """`user` is the YAML flow mapping of the kubeconfig's user."""
        path.write_text(
            f"apiVersion: v1\nkind: Config\n"
            f"clusters: [{{name: plane, cluster: {{server: '{self.server}', certificate-authority: {self.ca}}}}}]\n"
            f"users: [{{name: user, user: {user}}}]\n"
            f"contexts: [{{name: plane, context: {{cluster: plane, user: user}}}}]\n"
            f"current-context: plane\n"
        )
        return path

    def client(self, name: str, subject: str, path: pathlib.Path | None = None) -> pathlib.Path:
        """A client certificate and the kubeconfig that uses it."""
        self.issue(name, subject)
        files = f"{{client-certificate: {self.folder / name}.crt, client-key: {self.folder / name}.key}}"
        return self.kubeconfig(path or self.folder / f"{name}.kubeconfig", files)

    def ca_hash(self) -> str:
        """sha256:HEX of the CA's public key, as kubeadm's --discovery-token-ca-cert-hash."""
        pem = run("openssl", "x509", "-in", self.ca, "-noout", "-pubkey").stdout
        der = base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-")))
        return f"sha256:{hashlib.sha256(der).hexdigest()}"

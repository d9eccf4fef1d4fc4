"""Small Java agents, one per kind of project, and what the tests of Java need of this machine."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from aac_tasks.testing import need

AGENT = """
    apiVersion: agent.dev/v1
    kind: Agent
    metadata: {name: NAME, version: 0.1.0}
    spec:
      runtime: java
      model: {provider: openai, name: gpt-4o-mini}
      ports: [{container: 18090}]
      healthCheck: {path: /}
      image: {registry: "oci:dist"}
      tests:
        - {name: answers, type: http, request: {path: /}, expect: {status: 200, body: '"hi"'}}
"""

SOURCE = """
    import com.google.gson.Gson;
    import com.sun.net.httpserver.HttpServer;
    import java.net.InetSocketAddress;

    public class Main {
        public static void main(String[] args) throws Exception {
            String text = new Gson().toJson("hi");
            if (System.getenv("ONCE") != null) {
                System.out.println(text);
                return;
            }
            int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "18090"));
            HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
            server.createContext("/", exchange -> {
                exchange.sendResponseHeaders(200, text.length());
                exchange.getResponseBody().write(text.getBytes("UTF-8"));
                exchange.close();
            });
            server.start();
        }
    }
"""

POM = """
    <project xmlns="http://maven.apache.org/POM/4.0.0">
      <modelVersion>4.0.0</modelVersion>
      <groupId>example</groupId>
      <artifactId>agent</artifactId>
      <version>1</version>
      <properties>
        <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
      </properties>
      <dependencies>
        <dependency>
          <groupId>com.google.code.gson</groupId>
          <artifactId>gson</artifactId>
          <version>2.10.1</version>
        </dependency>
        <dependency>
          <groupId>junit</groupId>
          <artifactId>junit</artifactId>
          <version>4.13.2</version>
          <scope>test</scope>
        </dependency>
      </dependencies>
    </project>
"""

GRADLE = """
    plugins {
        id 'java'
    }
    repositories { mavenCentral() }
    dependencies { implementation 'com.google.code.gson:gson:2.10.1' }
"""


def manifest(name: str, *lines: str) -> str:
    """An agent.yaml; ``lines`` follow below ``spec``."""
    return AGENT.replace("NAME", name) + "".join(f"      {line}\n" for line in lines)


def jar(main: str = "Main", **files: bytes) -> bytes:
    """A jar with a manifest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\nMain-Class: {main}\r\n\r\n")
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


PLAIN: Mapping[str, str | bytes] = {
    "agent.yaml": manifest("plain", 'dependencies: ["com.google.code.gson:gson:2.10.1"]'),
    "Main.java": SOURCE,
    "greeting/Greeting.java": "package greeting;\npublic enum Greeting { HELLO, BYE }\n",
    "resources/data/text.txt": "text\n",
}
MAVEN: Mapping[str, str | bytes] = {
    "agent.yaml": manifest("maven"),
    "pom.xml": POM,
    "src/main/java/Main.java": SOURCE,
    "src/main/resources/text.txt": "text\n",
    "src/test/java/MainTest.java": "public class MainTest { broken }\n",
}
GRADLE_PROJECT: Mapping[str, str | bytes] = {
    "agent.yaml": manifest("gradle"),
    "build.gradle": GRADLE,
    "src/main/java/Main.java": SOURCE,
    "src/main/resources/text.txt": "text\n",
}
PREBUILT: Mapping[str, str | bytes] = {"agent.yaml": manifest("prebuilt"), "app.jar": jar()}


def need_java(*programs: str) -> None:
    """Skip the calling test where the JDK or a build tool is missing."""
    for program in ("javac", "mvn", *programs):
        need(shutil.which(program), f"{program} is not installed")


def jdks() -> dict[str, Path]:
    """Every JDK of this machine: its folder's name → its javac."""
    found = sorted(Path("/usr/lib/jvm").glob("*/bin/javac"))
    return {path.parents[1].name: path for path in found if not path.parents[1].is_symlink()}

// Jars from Maven Central with all that they need, for the servers that are written in Java.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CACHE, findOnPath, installOnce, reasonOf } from './install.ts';

export interface MavenSource {
  part: string;
  /** `group:artifact:version`, versions exact; the first one gives the folder its name. */
  artifacts: [string, ...string[]];
}

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 170_000;
const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies';

/** The class path that holds the artifacts. */
export async function findInMaven(source: MavenSource): Promise<string> {
  const [, name, version] = source.artifacts[0].split(':');
  const wanted = createHash('sha256').update(source.artifacts.join()).digest('hex').slice(0, 8);
  const folder = join(CACHE, `maven-${name}-${version}-${wanted}`);
  try {
    await installOnce(folder, (target) => copyJars(source, target));
  } catch (error) {
    throw new Error(
      `${source.part} is missing and could not be installed: it comes from Maven (${source.artifacts.join(', ')}), which needs ` +
        `\`mvn\` on PATH and access to a repository. Install it and try again. ${reasonOf(error)}`,
    );
  }
  return join(folder, '*');
}

/** A Java that can run, and compile what it runs. */
export async function findJava(part: string): Promise<string> {
  const java = await findOnPath('java');
  if (java !== null) return java;
  throw new Error(`${part} needs Java 17 or newer: put \`java\` of a JDK on PATH and try again.`);
}

async function copyJars({ artifacts }: MavenSource, target: string): Promise<void> {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
  });
  const pom = join(target, 'pom.xml');
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tulle</groupId><artifactId>part</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('')}</dependencies></project>`,
  );
  const repository = join(target, 'repository');
  const options = [
    `-Dmaven.repo.local=${repository}`,
    '-DincludeScope=runtime',
    `-DoutputDirectory=${target}`,
  ];
  const mvn = (await findOnPath('mvn')) ?? 'mvn';
  await run(
    mvn,
    ['--quiet', '--batch-mode', '--strict-checksums', '--file', pom, ...options, COPY_DEPENDENCIES],
    {
      timeout: COMMAND_TIMEOUT_MS,
    },
  );
  await rm(repository, { recursive: true });
}

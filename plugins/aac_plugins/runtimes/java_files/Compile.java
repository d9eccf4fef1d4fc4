import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import javax.tools.ToolProvider;

/**
 * FOLDER CLASSES LIBRARIES RELEASE: compiles a folder without pom.xml or build.gradle, the same on a host and in an image.
 *
 * <p>Sources are src/main/java, else every .java file; tests are left out. What lies in src/main/resources, or in
 * resources, is copied beside the classes.
 */
public final class Compile {
    private static final List<String> LEFT_OUT = Arrays.asList("src/test", "test", "tests", "target", "build", "out");

    public static void main(String[] args) throws IOException {
        Path top = Paths.get(args[0]);
        Path classes = Files.createDirectories(Paths.get(args[1]));
        Path usual = top.resolve("src/main/java");
        List<Path> sources = files(Files.isDirectory(usual) ? usual : top, top);
        sources.removeIf(path -> !path.toString().endsWith(".java"));
        if (sources.isEmpty()) {
            System.err.println("no .java file");
            System.exit(2);
        }
        List<String> words = new ArrayList<>(Arrays.asList("-d", classes.toString(), "--release", args[3]));
        words.addAll(Arrays.asList("-cp", jars(Paths.get(args[2])), "-encoding", "UTF-8", "-g", "-Xlint:-options"));
        sources.forEach(path -> words.add(path.toString()));
        int status = ToolProvider.getSystemJavaCompiler().run(null, System.err, System.err, words.toArray(new String[0]));
        if (status != 0) {
            System.exit(status);
        }
        for (String name : Arrays.asList("src/main/resources", "resources")) {
            copy(top.resolve(name), top, classes);
        }
    }

    private static String jars(Path libraries) throws IOException {
        List<String> found = new ArrayList<>();
        for (Path path : Files.isDirectory(libraries) ? files(libraries, libraries) : new ArrayList<Path>()) {
            found.add(path.toString());
        }
        return String.join(File.pathSeparator, found);
    }

    private static void copy(Path folder, Path top, Path classes) throws IOException {
        if (Files.isDirectory(folder)) {
            for (Path file : files(folder, top)) {
                Path target = classes.resolve(folder.relativize(file));
                Files.createDirectories(target.getParent());
                Files.write(target, Files.readAllBytes(file));
            }
        }
    }

    private static List<Path> files(Path folder, Path top) throws IOException {
        List<Path> found = new ArrayList<>();
        Files.walkFileTree(folder, new SimpleFileVisitor<Path>() {
            @Override
            public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
                String name = top.relativize(path).toString();
                boolean hidden = name.startsWith(".") || name.contains("/.");
                return hidden || LEFT_OUT.contains(name) ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                found.add(path);
                return FileVisitResult.CONTINUE;
            }
        });
        Collections.sort(found);
        return found;
    }
}

"""One atom: write to standard output. 2007 had this example, too."""

from tuxpy import Chain, Engine, chain


@chain
def hello(c: Chain) -> None:
    c.write(1, c.data(b"Hello, syslets!\n"), 16)


if __name__ == "__main__":
    with Engine() as engine:
        print(engine.run(hello))

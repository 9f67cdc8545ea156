"""`python -m shared.testing.openai_peer`: serves on a port until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import sys

from shared.testing.openai_peer.replies import Reply
from shared.testing.openai_peer.server import OpenAiPeer


async def _serve(arguments: argparse.Namespace) -> None:
    default = Reply(arguments.text, delay_s=arguments.first_token_ms / 1000, token_delay_s=arguments.token_ms / 1000)
    async with OpenAiPeer(arguments.port, api_key=arguments.api_key, default=default, remember=False) as peer:
        sys.stdout.write(f"{peer.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="shared.testing.openai_peer", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; the URL is printed")
    parser.add_argument("--api-key", default="sk-peer", help="the only key that is let in")
    parser.add_argument(
        "--text", help="what every chat completion says; without it, the passages of the prompt are quoted"
    )
    parser.add_argument("--first-token-ms", type=float, default=0, help="wait before the first piece")
    parser.add_argument("--token-ms", type=float, default=0, help="wait between pieces")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(_serve(_arguments()))
    except KeyboardInterrupt:
        sys.exit(0)

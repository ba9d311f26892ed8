"""A replica over WebSocket: gets every version as it is made. No gradwire code, but Debian's python3-websockets; it reads f32.

    python3 ws_replica.py http://127.0.0.1:8080 weights.bin 300    ends at version 300; the file has its values, tensor after tensor
"""
import asyncio, json, os, struct, sys
import numpy as np
import websockets

dtypes = {"F32": "<f4", "I32": "<i4", "I64": "<i8"}

def decode(frame):  # safetensors: the header's length, the header as JSON, the values
    start = 8 + struct.unpack("<Q", frame[:8])[0]
    header = json.loads(frame[8:start])
    metadata, values = header.pop("__metadata__"), frame[start:]
    read = lambda t: np.frombuffer(values[slice(*t["data_offsets"])], dtypes[t["dtype"]]).reshape(t["shape"]).copy()
    return metadata, {name: read(t) for name, t in header.items()}

def apply(weights, tensors):  # an update has new values, of a whole tensor or of some of its rows
    for name, tensor in tensors.items():
        parameter, _, part = name.partition("#")
        if part == "values":
            weights[parameter][tensors[f"{parameter}#rows"]] = tensor
        elif part == "":
            weights[name] = tensor

async def follow(url, path, until):
    weights, version = {}, -1
    async with websockets.connect(url.replace("http", "ws") + "/models/default", subprotocols=["gradwire.v1"], max_size=None) as socket:
        await socket.send(json.dumps({"type": "hello", "role": "replica", "token": os.environ.get("GRADWIRE_TOKEN")}))
        while version < until:
            message = await socket.recv()
            if isinstance(message, bytes):  # text is a welcome or a heartbeat
                metadata, tensors = decode(message)
                assert metadata.get("from", str(version)) == str(version) and metadata.get("encoding", "f32") == "f32"
                apply(weights, tensors)
                version = int(metadata["version"])
    open(path, "wb").write(b"".join(tensor.tobytes() for tensor in weights.values()))
    print(f"version {version}: {', '.join(f'{name} {tensor.shape}' for name, tensor in weights.items())}")

asyncio.run(follow(sys.argv[1], sys.argv[2], int(sys.argv[3])))

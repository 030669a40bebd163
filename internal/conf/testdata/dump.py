# Prints what ConfigParser makes of each text: {name: {section: {key: value}}}.
# An error stands as "!Class" in the place of what it spoils.
import configparser, json, os, sys, tempfile

def dump(data):
    cf = configparser.ConfigParser(defaults={"job_name": "job", "service_name": "svc", "host_name": "box"})
    with tempfile.NamedTemporaryFile(delete=False) as f:
        f.write(data)
    try:
        with open(f.name, encoding="utf-8-sig") as ini:
            cf.read_file(ini)
    except configparser.Error as e:
        return "!" + type(e).__name__
    finally:
        os.unlink(f.name)
    out = {}
    for sect in cf.sections():
        out[sect] = {}
        for key in cf.options(sect):
            try:
                out[sect][key] = cf.get(sect, key)
            except configparser.Error as e:
                out[sect][key] = "!" + type(e).__name__
    return out

json.dump({k: dump(v.encode()) for k, v in json.load(sys.stdin).items()}, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
